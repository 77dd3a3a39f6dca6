#include "cluster/launch/spawn.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.hpp"
#include "base/signals.hpp"
#include "cluster/launch/rank_processes.hpp"
#include "cluster/launch/relay.hpp"

namespace wf {
namespace {

/// How long a child may live after SIGTERM. mpirun needs 2 s to end its ranks.
constexpr timespec termination_time{10, 0};

/// How often is_over() is asked, and how often it says yes before the child gets SIGTERM.
constexpr timespec look_time{0, 500'000'000};
constexpr int looks_before_termination = 6;

/// Blocks the signals that next() waits for, so that their default actions do not happen.
class BlockedSignals {
 public:
  BlockedSignals() {
    ::sigemptyset(&signals_);
    ::sigaddset(&signals_, SIGCHLD);
    for (const int signal : stop_signals()) ::sigaddset(&signals_, signal);
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

/// What the child writes to stdout and stderr.
struct Output {
  Relay out{STDOUT_FILENO}, err{STDERR_FILENO};
  void hurry() { out.hurry(), err.hurry(); }
};

/// Turns the forked child into the program; never returns.
[[noreturn]] void execute(char* const* arguments, char* const* variables, pid_t parent, const BlockedSignals& blocked,
                          const Output& output) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(127);  // the parent died before the line above
  const int empty = ::open("/dev/null", O_RDONLY);
  if (empty > 0) ::dup2(empty, STDIN_FILENO);
  output.out.become_stream();
  output.err.become_stream();
  blocked.unblock();
  unblock_stop_signals();
  ::execve(arguments[0], arguments, variables);
  ::_exit(127);
}

pid_t start(std::vector<std::string> command, const Environment& added_variables, const BlockedSignals& blocked,
            Output& output) {
  std::vector<std::string> lines = environment_with(added_variables);
  const std::vector<char*> arguments = pointers(command), variables = pointers(lines);
  const pid_t parent = ::getpid(), child = ::fork();
  if (child < 0) throw Error(Error::environment, "cannot start " + command.front() + ": " + std::strerror(errno));
  if (child == 0) execute(arguments.data(), variables.data(), parent, blocked, output);
  for (const int signal : {SIGPIPE, SIGTTOU}) ::signal(signal, SIG_IGN);  // the child's output may find no reader
  output.out.start();
  output.err.start();
  return child;
}

/// mpirun passes SIGUSR1 on to the ranks, but that of Ubuntu 24.04 (Open MPI 4.1.6) was seen not to. One rank that
/// hears of it is enough, and a rank that hears of it twice does nothing more.
void ask_to_drain(pid_t launcher) {
  ::kill(launcher, SIGUSR1);
  for (const pid_t rank : ranks_below(launcher)) ::kill(rank, SIGUSR1);
}

/// Forwards a signal to the child: the first one asks for a drain, the second that insists ends it, the third kills it.
void forward(int signal, pid_t child, ChildResult& result) {
  if (!insists(signal) || !result.drain_requested) {
    result.drain_requested = true;
    ask_to_drain(child);
  } else if (result.terminated_by == 0) {
    result.terminated_by = signal;
    ::kill(child, SIGTERM);
  } else {
    ::kill(-child, SIGKILL);
  }
}

}  // namespace

ChildResult spawn(const std::vector<std::string>& command, const Environment& added_variables,
                  const std::function<bool()>& is_over) {
  ::signal(SIGCHLD, SIG_DFL);  // it may be inherited as ignored, and the child's exit status would be lost
  const BlockedSignals blocked;
  Output output;
  const pid_t child = start(command, added_variables, blocked, output);
  ChildResult result;
  int looks = 0;  // since the child was over
  for (int status = 0;;) {
    const bool has_to_end = result.terminated_by != 0 || result.was_over;
    const int signal = blocked.next(has_to_end ? &termination_time : is_over ? &look_time : nullptr);
    if (signal < 0 && has_to_end) {
      ::kill(-child, SIGKILL);
    } else if (signal < 0) {
      if (is_over() && ++looks > looks_before_termination) result.was_over = true, ::kill(child, SIGTERM);
    } else if (signal != SIGCHLD) {
      forward(signal, child, result);
    } else if (::waitpid(child, &status, WNOHANG) == child) {
      result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      if (result.terminated_by != 0) output.hurry();
      return result;
    }
  }
}

}  // namespace wf
