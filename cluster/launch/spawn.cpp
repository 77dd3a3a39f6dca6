#include "launcher/supervise.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <initializer_list>

#include "cluster/error.hpp"

namespace wf {
namespace {

constexpr timespec patience{10, 0};  ///< for a child that was told to end; mpirun takes 2 s

/// Keeps the signals that are waited for from doing what they do by default.
class Held {
 public:
  Held() {
    ::sigemptyset(&signals_);
    for (const int signal : {SIGINT, SIGTERM, SIGUSR1, SIGCHLD}) ::sigaddset(&signals_, signal);
    ::sigprocmask(SIG_BLOCK, &signals_, &before_);
  }
  ~Held() { release(); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  void release() const { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }
  /// The next of them; -1 when none came in time.
  int next(const timespec* time) const {
    for (;;) {
      const int signal = time ? ::sigtimedwait(&signals_, nullptr, time) : ::sigwaitinfo(&signals_, nullptr);
      if (signal > 0 || errno == EAGAIN) return signal;
    }
  }

 private:
  sigset_t signals_, before_;
};

/// For execve: ends with a null pointer.
std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> all;
  for (std::string& word : words) all.push_back(word.data());
  all.push_back(nullptr);
  return all;
}

std::vector<std::string> variables_with(const Environment& added) {
  Environment all = added;
  all.merge(environment());
  std::vector<std::string> lines;
  for (const auto& [name, value] : all) lines.push_back(name + "=" + value);
  return lines;
}

/// In the child: never returns.
[[noreturn]] void become(char* const* words, char* const* variables, pid_t parent, const Held& held) {
  ::setpgid(0, 0);
  ::signal(SIGTTOU, SIG_IGN);  // it may write to the terminal from its own process group, also after `stty tostop`
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(127);  // it died before the line above
  const int nothing = ::open("/dev/null", O_RDONLY);
  if (nothing > 0) ::dup2(nothing, STDIN_FILENO);
  held.release();
  ::execve(words[0], words, variables);
  ::_exit(127);
}

pid_t start(std::vector<std::string> words, const Environment& added, const Held& held) {
  std::vector<std::string> lines = variables_with(added);
  const std::vector<char*> arguments = pointers(words), variables = pointers(lines);
  const pid_t parent = ::getpid(), child = ::fork();
  if (child < 0) throw Error(Error::environment, "cannot start " + words.front() + ": " + std::strerror(errno));
  if (child == 0) become(arguments.data(), variables.data(), parent, held);
  return child;
}

void hand_on(int signal, pid_t child, ChildEnd& end) {
  if (signal == SIGUSR1 || !end.asked_to_stop) {
    end.asked_to_stop = true;
    ::kill(child, SIGUSR1);
  } else if (end.cut_short_by == 0) {
    end.cut_short_by = signal;
    ::kill(child, SIGTERM);
  } else {
    ::kill(-child, SIGKILL);
  }
}

}  // namespace

ChildEnd supervise(const std::vector<std::string>& words, const Environment& added) {
  ::signal(SIGCHLD, SIG_DFL);  // whoever started this process may have it ignored, and the child's end would be lost
  const Held held;
  const pid_t child = start(words, added, held);
  ChildEnd end;
  for (int status = 0;;) {
    const int signal = held.next(end.cut_short_by ? &patience : nullptr);
    if (signal < 0) {
      ::kill(-child, SIGKILL);
    } else if (signal != SIGCHLD) {
      hand_on(signal, child, end);
    } else if (::waitpid(child, &status, WNOHANG) == child) {
      end.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      return end;
    }
  }
}

}  // namespace wf
