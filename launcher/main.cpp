// launcher/main.cpp: the program wanfarm: all verbs, one command line.
#include <csignal>

#include "cluster/launch/leave.hpp"
#include "cluster/launch/start_ranks.hpp"
#include "launcher/cli/cli.hpp"
#include "launcher/cli/commands/commands.hpp"

namespace {

/// LibTorch takes itself apart at a usual end, which is a quarter of the CPU time of a short command. Sanitizers report
/// what they have found after that, so in their builds the end is the usual one.
int end_with(int exit_code) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  wf::leave_process(exit_code);
#endif
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a file-size limit is then a failing write (exit 5), not the end of the process
  const std::vector<wf::Command> commands = wf::all_commands();
  return end_with(wf::leave_exit_code(wf::after_printing(wf::run_command_line(commands, argc, argv))));
}
