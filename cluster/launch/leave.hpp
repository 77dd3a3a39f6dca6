// cluster/launch/leave.hpp: the end of a process that is not taken apart.
#pragma once

namespace wf {

/// Writes out what was printed and logged.
void flush_output();

/// Ends this process at once, after flush_output(), with nothing finalized.
[[noreturn]] void leave_process(int exit_code);

}  // namespace wf
