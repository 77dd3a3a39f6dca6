#include "cluster/launch/spawn.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <initializer_list>

#include "base/error.hpp"

namespace wf {
namespace {

/// How long a child may live after SIGTERM. mpirun needs 2 s to end its ranks.
constexpr timespec termination_time{10, 0};

/// Blocks the signals that next() waits for, so that their default actions do not happen.
class BlockedSignals {
 public:
  BlockedSignals() {
    ::sigemptyset(&signals_);
    for (const int signal : {SIGINT, SIGTERM, SIGUSR1, SIGCHLD}) ::sigaddset(&signals_, signal);
    ::sigprocmask(SIG_BLOCK, &signals_, &before_);
  }
  ~BlockedSignals() { unblock(); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;
  void unblock() const { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }
  /// Waits for the next signal, at most for `limit` (null: for ever). Returns -1 when none came in time.
  int next(const timespec* limit) const {
    for (;;) {
      const int signal = limit ? ::sigtimedwait(&signals_, nullptr, limit) : ::sigwaitinfo(&signals_, nullptr);
      if (signal > 0 || errno == EAGAIN) return signal;
    }
  }

 private:
  sigset_t signals_, before_;
};

/// The null-terminated array that execve takes.
std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> all;
  for (std::string& string : strings) all.push_back(string.data());
  all.push_back(nullptr);
  return all;
}

/// This process's environment, as NAME=VALUE, with some variables added or replaced.
std::vector<std::string> environment_with(const Environment& added_variables) {
  Environment all = added_variables;
  all.merge(environment());
  std::vector<std::string> lines;
  for (const auto& [name, value] : all) lines.push_back(name + "=" + value);
  return lines;
}

/// Turns the forked child into the program; never returns.
[[noreturn]] void execute(char* const* arguments, char* const* variables, pid_t parent, const BlockedSignals& blocked) {
  ::setpgid(0, 0);
  ::signal(SIGTTOU, SIG_IGN);  // it may write to the terminal from its own process group, also after `stty tostop`
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(127);  // the parent died before the line above
  const int empty = ::open("/dev/null", O_RDONLY);
  if (empty > 0) ::dup2(empty, STDIN_FILENO);
  blocked.unblock();
  ::execve(arguments[0], arguments, variables);
  ::_exit(127);
}

pid_t start(std::vector<std::string> command, const Environment& added_variables, const BlockedSignals& blocked) {
  std::vector<std::string> lines = environment_with(added_variables);
  const std::vector<char*> arguments = pointers(command), variables = pointers(lines);
  const pid_t parent = ::getpid(), child = ::fork();
  if (child < 0) throw Error(Error::environment, "cannot start " + command.front() + ": " + std::strerror(errno));
  if (child == 0) execute(arguments.data(), variables.data(), parent, blocked);
  return child;
}

/// Forwards a signal to the child: the first one asks for a drain, the second ends it, the third kills it.
void forward(int signal, pid_t child, ChildResult& result) {
  if (signal == SIGUSR1 || !result.drain_requested) {
    result.drain_requested = true;
    ::kill(child, SIGUSR1);
  } else if (result.terminated_by == 0) {
    result.terminated_by = signal;
    ::kill(child, SIGTERM);
  } else {
    ::kill(-child, SIGKILL);
  }
}

}  // namespace

ChildResult spawn(const std::vector<std::string>& command, const Environment& added_variables) {
  ::signal(SIGCHLD, SIG_DFL);  // it may be inherited as ignored, and the child's exit status would be lost
  const BlockedSignals blocked;
  const pid_t child = start(command, added_variables, blocked);
  ChildResult result;
  for (int status = 0;;) {
    const int signal = blocked.next(result.terminated_by ? &termination_time : nullptr);
    if (signal < 0) {
      ::kill(-child, SIGKILL);
    } else if (signal != SIGCHLD) {
      forward(signal, child, result);
    } else if (::waitpid(child, &status, WNOHANG) == child) {
      result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      return result;
    }
  }
}

}  // namespace wf
