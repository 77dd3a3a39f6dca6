#include "cluster/slurm/program.hpp"

#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/error.hpp"
#include "base/shell.hpp"

namespace wf {

ProgramAnswer answer_of(const std::vector<std::string>& command, bool quiet) {
  const std::string line = shell_command(command) + " </dev/null" + (quiet ? " 2>/dev/null" : "");
  std::FILE* const stream = ::popen(line.c_str(), "re");
  if (!stream) throw Error(Error::environment, "cannot start " + command.front() + ": " + std::strerror(errno));
  ProgramAnswer answer;
  std::array<char, 4096> part{};
  while (const std::size_t count = std::fread(part.data(), 1, part.size(), stream))
    answer.out.append(part.data(), count);
  const int status = ::pclose(stream);
  answer.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return answer;
}

}  // namespace wf
