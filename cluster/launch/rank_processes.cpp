#include "cluster/launch/rank_processes.hpp"

#include <unistd.h>

#include <fstream>
#include <string>

namespace wf {

namespace fs = std::filesystem;

fs::path program_of(pid_t process) {
  std::error_code unreadable;
  return fs::read_symlink("/proc/" + std::to_string(process) + "/exe", unreadable);
}

std::set<pid_t> ranks_below(pid_t launcher) {
  std::set<pid_t> ranks;
  const fs::path own = program_of(::getpid());
  std::error_code unreadable;
  for (const auto& thread : fs::directory_iterator("/proc/" + std::to_string(launcher) + "/task", unreadable)) {
    std::ifstream children(thread.path() / "children");
    for (pid_t process = 0; children >> process;)
      if (program_of(process) == own) ranks.insert(process);
  }
  return ranks;
}

}  // namespace wf
