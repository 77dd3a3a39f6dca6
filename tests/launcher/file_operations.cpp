#include "tests/launcher/file_operations.hpp"

#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <stdexcept>

namespace wf {
namespace {

constexpr int none = -1;

/// Where a system call has the file that it is about.
struct Call {
  const char* what;
  int path;    ///< number of the argument; none: `folder` is an open file
  int folder;  ///< number of the argument that a path begins at; none: it begins at the current folder
};

const std::map<std::uint64_t, Call>& calls() {
  static const std::map<std::uint64_t, Call> all{
      {SYS_openat, {"open", 1, 0}},        {SYS_openat2, {"open", 1, 0}},       {SYS_newfstatat, {"examine", 1, 0}},
      {SYS_statx, {"examine", 1, 0}},      {SYS_faccessat, {"examine", 1, 0}},  {SYS_readlinkat, {"examine", 1, 0}},
      {SYS_renameat, {"rename", 1, 0}},    {SYS_renameat2, {"rename", 1, 0}},   {SYS_unlinkat, {"remove", 1, 0}},
      {SYS_mkdirat, {"make", 1, 0}},       {SYS_linkat, {"make", 1, 0}},        {SYS_fsync, {"flush", none, 0}},
      {SYS_fdatasync, {"flush", none, 0}}, {SYS_getdents64, {"list", none, 0}},
#ifdef SYS_open  // older machines have both forms
      {SYS_open, {"open", 0, none}},       {SYS_creat, {"create", 0, none}},    {SYS_stat, {"examine", 0, none}},
      {SYS_lstat, {"examine", 0, none}},   {SYS_access, {"examine", 0, none}},  {SYS_readlink, {"examine", 0, none}},
      {SYS_rename, {"rename", 0, none}},   {SYS_unlink, {"remove", 0, none}},   {SYS_rmdir, {"remove", 0, none}},
      {SYS_mkdir, {"make", 0, none}},      {SYS_link, {"make", 0, none}},
#endif
  };
  return all;
}

std::string text_at(pid_t thread, std::uint64_t address) {
  std::string text(4096, '\0');
  // Up to the end of the page, behind which there may be nothing to read.
  for (std::size_t length = 0; length < text.size();) {
    const std::size_t block = std::min<std::size_t>(text.size() - length, 4096 - (address + length) % 4096);
    iovec here{text.data() + length, block}, there{reinterpret_cast<void*>(address + length), block};
    const ssize_t got = ::process_vm_readv(thread, &here, 1, &there, 1, 0);
    if (got <= 0) break;
    length += static_cast<std::size_t>(got);
    if (const auto end = text.find('\0'); end < length) return text.substr(0, end);
  }
  return "";
}

std::string link_at(pid_t thread, const std::string& name) {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/" + std::to_string(thread) + "/" + name, error).string();
}

/// The file that a system call is about, from the root; "" if it is about none.
std::string path_of(pid_t thread, const Call& call, const std::uint64_t* arguments) {
  const auto open_file = [&](int argument) {
    const int number = static_cast<int>(arguments[argument]);
    return link_at(thread, number == AT_FDCWD ? "cwd" : "fd/" + std::to_string(number));
  };
  if (call.path == none) return open_file(call.folder);
  const std::string path = text_at(thread, arguments[call.path]);
  if (path.empty() || path.front() == '/') return path;
  return (call.folder == none ? link_at(thread, "cwd") : open_file(call.folder)) + "/" + path;
}

/// Follows a process and all that it starts.
class Tracer {
 public:
  Tracer(pid_t process, const Path& watched) : process_(process), watched_(watched.string() + "/") {
    constexpr long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                             PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    if (::ptrace(PTRACE_SEIZE, process, 0, options) != 0 || ::ptrace(PTRACE_INTERRUPT, process, 0, 0) != 0)
      throw std::runtime_error(std::string("ptrace: ") + std::strerror(errno));
  }

  /// Until all have ended. Returns the status of the first process.
  int run() {
    int status = 0, of_process = 0;
    for (pid_t thread = 0; (thread = ::waitpid(-1, &status, __WALL)) > 0 || errno == EINTR;) {
      if (thread <= 0) continue;
      if (WIFSTOPPED(status))
        go_on(thread, status);
      else if (thread == process_)
        of_process = status;
    }
    return of_process;
  }

  std::vector<FileOperation> operations;

 private:
  void go_on(pid_t thread, int status) {
    const int signal = WSTOPSIG(status), event = status >> 16;
    const bool is_call = signal == (SIGTRAP | 0x80);
    if (is_call) look_at_call(thread);
    if (event == PTRACE_EVENT_STOP && signal != SIGTRAP) return void(::ptrace(PTRACE_LISTEN, thread, 0, 0));
    ::ptrace(PTRACE_SYSCALL, thread, 0, is_call || event != 0 ? 0 : signal);
  }

  void look_at_call(pid_t thread) {
    __ptrace_syscall_info info{};
    if (::ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0 || info.op != PTRACE_SYSCALL_INFO_ENTRY)
      return;
    const auto call = calls().find(info.entry.nr);
    if (call == calls().end()) return;
    const std::string path = path_of(thread, call->second, info.entry.args);
    if (path != watched_.substr(0, watched_.size() - 1) && !path.starts_with(watched_)) return;
    operations.push_back({creates(info.entry) ? "create" : call->second.what, path});
  }

  template <class Entry>
  static bool creates(const Entry& entry) {
#ifdef SYS_open
    if (entry.nr == SYS_open) return (entry.args[1] & O_CREAT) != 0;
#endif
    return entry.nr == SYS_openat && (entry.args[2] & O_CREAT) != 0;
  }

  pid_t process_;
  std::string watched_;
};

/// In the new process: becomes the program once the other end of `go` is closed.
[[noreturn]] void become(const Path& folder, const std::vector<std::string>& arguments,
                         const std::vector<std::string>& environment, int go) {
  char nothing = 0;
  if (::read(go, &nothing, 1) != 0 || ::chdir(folder.c_str()) != 0) ::_exit(127);
  const int err = ::open("traced.err", O_WRONLY | O_CREAT | O_TRUNC, 0666);
  ::dup2(err, 1), ::dup2(err, 2);
  ::setenv("ASAN_OPTIONS", "detect_leaks=0", 1);  // LeakSanitizer does not work while it is traced
  for (const std::string& variable : environment) {
    const std::size_t at = variable.find('=');
    ::setenv(variable.substr(0, at).c_str(), variable.substr(at + 1).c_str(), 1);
  }
  std::vector<char*> words{const_cast<char*>(WF_PROGRAM)};
  for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  ::execv(WF_PROGRAM, words.data());
  ::_exit(127);
}

}  // namespace

TracedProgram trace_program(const Path& folder, const std::vector<std::string>& arguments, const Path& watched,
                            const std::vector<std::string>& environment) {
  int go[2];
  if (::pipe2(go, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  const auto begin = std::chrono::steady_clock::now();
  const pid_t process = ::fork();
  if (process == 0) {
    ::close(go[1]);
    become(folder, arguments, environment, go[0]);
  }
  ::close(go[0]);
  Tracer tracer(process, watched);
  ::close(go[1]);
  const int status = tracer.run();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return {.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          .err = read_file(folder / "traced.err"),
          .seconds = seconds,
          .operations = std::move(tracer.operations)};
}

}  // namespace wf
