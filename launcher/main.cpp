// launcher/main.cpp: the program wanfarm: all verbs, one command line.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "cluster/launch/start_ranks.hpp"
#include "launcher/cli/cli.hpp"
#include "launcher/cli/commands/commands.hpp"

namespace {

/// Ends the process as it is. LibTorch would take itself apart otherwise, a quarter of the CPU time of a short command.
/// Sanitizers report what they have found after that, so their builds end as usual.
int leave(int exit_code) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  std::cout.flush();
  std::fflush(nullptr);
  std::_Exit(exit_code);
#endif
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a file-size limit is then a failing write (exit 5), not the end of the process
  const std::vector<wf::Command> commands = wf::all_commands();
  return leave(wf::leave_exit_code(wf::run_command_line(commands, argc, argv)));
}
