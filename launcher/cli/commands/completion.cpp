// launcher/cli/commands/completion.cpp: wanfarm completion SHELL: prints a tab completion script.
#include "launcher/cli/completion.hpp"

#include <iostream>
#include <memory>

#include "launcher/cli/commands/commands.hpp"

namespace wf {

Command completion_command() {
  const auto shell = std::make_shared<std::string>();
  const std::vector<std::string> shells{"bash", "zsh", "fish"};
  return {.name = "completion",
          .summary = "Print a tab completion script for verbs and flags",
          .examples = "  source <(wanfarm completion bash)\n  wanfarm completion fish | source\n",
          .flags = {choice_flag("SHELL", shells, "the shell", *shell)},
          .run = [shell] {
            std::cout << completion_script(*shell, all_commands());
            return 0;
          }};
}

}  // namespace wf
