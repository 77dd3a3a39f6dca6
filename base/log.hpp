// base/log.hpp: one logger per process (spdlog's default logger): lines to stderr and, once opened, to a file.
// Every line carries time, level and rank: "22:41:07.120 info  [rank 003] text".
#pragma once

#include <spdlog/spdlog.h>

#include <functional>
#include <string>

#include "base/files.hpp"

namespace wf {

/// The severity from which lines are shown, in rising order; `off` shows none.
enum class LogLevel { trace, debug, info, warn, error, off };

/// Opens the log of this process: lines of `level` and above go to stderr. Call it before any other thread logs.
void open_log(LogLevel level, int rank);

/// Appends lines of level debug and above to `file` as well, whatever open_log()'s level, flushing after each line.
/// Call it after open_log(); other threads may log at the same time. Throws storage when the file cannot be opened.
void log_to_file(const Path& file);

/// Calls `action` before each line that stderr shows, on the thread that logs it; lines that only go to the file are
/// none of them. An empty function ends that, and no call is in progress any more when this returns. `action` must not
/// log. For any thread, also while others log. Call it after open_log().
void before_each_line(std::function<void()> action);

}  // namespace wf
