// base/machine.hpp: names of this machine and this process that other machines and processes can compare with theirs.
#pragma once

#include <sys/types.h>

#include <string>

namespace wf {

/// This machine's host name. Containers on different machines may have the same one.
std::string host_name();

/// Identifies the running kernel: the same in all containers of a machine, another one on every other machine and after
/// every boot. Empty where the kernel does not tell.
std::string boot_id();

/// Identifies this process for as long as the machine runs: its kernel, the process namespace (that of a container) to
/// which its number belongs, its number, and when it began, since numbers are used again. Empty where the kernel does
/// not tell.
std::string process_identity();

/// True when the process of that identity is known to have ended. False while it runs, and when that cannot be seen
/// from here: it is on another machine, in another container, or its machine has been started again since.
bool has_ended(const std::string& identity);
/// True when no process has this number here, or one that is dead and has only not been waited for.
bool has_ended(pid_t process);

}  // namespace wf
