// launcher/commands/completion.cpp: wanfarm completion SHELL.
#include "launcher/completion.hpp"

#include <iostream>
#include <memory>

#include "launcher/commands/commands.hpp"

namespace wf {

Command completion_command() {
  const auto shell = std::make_shared<std::string>();
  const std::vector<std::string> shells{"bash", "zsh", "fish"};
  return {.name = "completion",
          .summary = "Print a script that completes verbs and flags at Tab",
          .examples = "  source <(wanfarm completion bash)\n  wanfarm completion fish | source\n",
          .flags = {{"SHELL", "bash|zsh|fish", "the shell", into(*shell, shells), shells}},
          .run = [shell] {
            std::cout << completion_script(*shell, all_commands());
            return 0;
          }};
}

}  // namespace wf
