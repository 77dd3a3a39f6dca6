// cluster/memory_limit.hpp: the memory that a container, or a job of Slurm, leaves this process of its node.
#pragma once

#include <cstdint>
#include <filesystem>

namespace wf {

/// Bytes that the control groups of this process, of either version, and the groups around them let it take; the
/// largest number where none sets a limit. Reaching it ends processes, as the end of the node's memory does.
/// own_groups: the file that names the process's groups. folder: where they are mounted; of a container that is its own
/// group, whatever path the file says.
std::uint64_t memory_limit_of_groups(const std::filesystem::path& own_groups = "/proc/self/cgroup",
                                     const std::filesystem::path& folder = "/sys/fs/cgroup");

}  // namespace wf
