// launcher/main.cpp: the program wanfarm: all verbs, one command line.
#include <csignal>

#include "cluster/launch/start_ranks.hpp"
#include "launcher/cli/cli.hpp"
#include "launcher/cli/commands/commands.hpp"

int main(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a file-size limit is then a failing write (exit 5), not the end of the process
  const std::vector<wf::Command> commands = wf::all_commands();
  return wf::leave_exit_code(wf::run_command_line(commands, argc, argv));
}
