// cluster/log.hpp: one logger per process (spdlog's default logger): lines to stderr and, once opened, to a file.
// Every line carries time, level and rank: "22:41:07.120 info  [rank 003] text".
#pragma once

#include <spdlog/spdlog.h>

#include <string>

#include "cluster/files.hpp"

namespace wf {

/// level: trace, debug, info, warn, error or off. Throws input for another word. Before any other thread logs.
void open_log(const std::string& level, int rank);

/// Lines go to this file as well, from `debug` up, appended and flushed line by line. After open_log(); others may log
/// meanwhile. Throws storage when the file cannot be opened.
void log_to_file(const Path& file);

}  // namespace wf
