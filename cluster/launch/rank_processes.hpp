// cluster/launch/rank_processes.hpp: the ranks that a launcher has started on this node, as processes.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <set>

namespace wf {

/// The program that a process runs; empty where that cannot be seen.
std::filesystem::path program_of(pid_t process);

/// The children of the launcher that run this program. The kernel may leave out some of a process's children while
/// others end, so one that is missing has not necessarily ended.
std::set<pid_t> ranks_below(pid_t launcher);

}  // namespace wf
