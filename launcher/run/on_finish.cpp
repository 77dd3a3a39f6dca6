#include "launcher/run/on_finish.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>

#include "base/paths.hpp"
#include "cluster/launch/start_ranks.hpp"
#include "cluster/node.hpp"
#include "launcher/run/results.hpp"

namespace wf {
namespace {

/// Whether the variable tells a process that it is a rank, which the command and what it starts are not.
bool makes_a_rank(const std::string& variable) {
  for (const char* prefix : {"OMPI_COMM_WORLD_", "OMPI_UNIVERSE_SIZE", "PMIX_", "PMI_", "SLURM_PROCID"})
    if (variable.starts_with(prefix)) return true;
  return false;
}

std::vector<std::string> environment_of_command(int exit_code, const Path& output) {
  Environment variables = environment();
  std::erase_if(variables, [](const auto& variable) { return makes_a_rank(variable.first); });
  const std::optional<RunCounts> counts = output.empty() ? std::nullopt : read_run_counts(output);
  const auto count = [&](std::size_t RunCounts::*which) { return counts ? std::to_string((*counts).*which) : ""; };
  variables["WANFARM_EXIT_CODE"] = std::to_string(exit_code);
  variables["WANFARM_OUTPUT"] = output.string();
  variables["WANFARM_DONE"] = count(&RunCounts::done);
  variables["WANFARM_FAILED"] = count(&RunCounts::failed);
  variables["WANFARM_LEFT"] = count(&RunCounts::left);
  std::vector<std::string> lines;
  for (const auto& [name, value] : variables) lines.push_back(name + "=" + value);
  return lines;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> all;
  for (std::string& string : strings) all.push_back(string.data());
  all.push_back(nullptr);
  return all;
}

/// How the child is set up: an empty stdin, stderr as stdout, and no signal blocked or ignored but SIGHUP, which
/// `nohup` ignores on purpose.
class ChildSetup {
 public:
  ChildSetup() {
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
    ::posix_spawnattr_init(&attributes);
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::sigdelset(&all, SIGHUP);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~ChildSetup() {
    ::posix_spawn_file_actions_destroy(&files);
    ::posix_spawnattr_destroy(&attributes);
  }
  ChildSetup(const ChildSetup&) = delete;
  ChildSetup& operator=(const ChildSetup&) = delete;

  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
};

/// Runs the command and waits. Returns what is wrong with its end, "" if nothing is.
std::string run_in_shell(const std::string& command, std::vector<std::string> variables) {
  std::vector<std::string> words{"sh", "-c", command};
  const std::vector<char*> arguments = pointers(words), lines = pointers(variables);
  const ChildSetup setup;
  pid_t child = -1;
  const int error = ::posix_spawn(&child, "/bin/sh", &setup.files, &setup.attributes, arguments.data(), lines.data());
  if (error != 0) return std::string("cannot be started: ") + std::strerror(error);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return std::string("cannot be waited for: ") + std::strerror(errno);
  if (WIFSIGNALED(status)) return std::string("was ended by a signal: ") + ::strsignal(WTERMSIG(status));
  return WEXITSTATUS(status) == 0 ? "" : "ended with exit code " + std::to_string(WEXITSTATUS(status));
}

bool was_cut_short(int exit_code) { return exit_code == 128 + SIGINT || exit_code == 128 + SIGTERM; }

}  // namespace

OnFinish::OnFinish(const RunOptions& options)
    : command_(rank_from(environment()).rank == 0 && !options.dry_run ? options.on_finish : "") {}

void OnFinish::output_is(const Path& output) {
  const std::lock_guard lock(mutex_);
  output_ = absolute_folder(output);
}

void OnFinish::run(int exit_code) noexcept {
  if (!wanted() || was_cut_short(exit_code)) return;
  std::call_once(has_run_, [&] {
    try {
      Path output;
      {
        const std::lock_guard lock(mutex_);
        output = output_;
      }
      const int shown = exit_code == code_of_lost_run ? 1 : exit_code;
      std::cout.flush();
      const std::string problem = run_in_shell(command_, environment_of_command(shown, output));
      if (!problem.empty()) std::cerr << "wanfarm: the command of --on-finish " << problem << '\n';
    } catch (const std::exception& error) {
      std::cerr << "wanfarm: the command of --on-finish: " << error.what() << '\n';
    }
  });
}

std::optional<int> run_as_front_end(const RunOptions& options, const std::function<Path()>& output) {
  OnFinish on_finish(options);
  if (on_finish.wanted() && options.ranks > 1) {
    try {
      on_finish.output_is(output());
    } catch (const Error&) {  // the ranks say what is wrong with the list
    }
  }
  return on_finish.after(
      [&] { return run_as_ranks(options.ranks, {.others_go_on = true, .restarts = options.restarts}); });
}

}  // namespace wf
