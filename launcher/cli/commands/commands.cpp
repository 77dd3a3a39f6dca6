#include "launcher/cli/commands/commands.hpp"

namespace wf {

std::vector<Command> all_commands() {
  return {render_command(),   generate_command(), plan_command(),       validate_command(),
          tokenize_command(), inspect_command(),  make_model_command(), compare_command(),
          bench_command(),    doctor_command(),   completion_command()};
}

}  // namespace wf
