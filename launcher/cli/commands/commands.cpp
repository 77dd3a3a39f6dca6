#include "launcher/cli/commands/commands.hpp"

namespace wf {

std::vector<Command> all_commands() {
  return {render_command(),    finish_command(),   generate_command(),        plan_command(),       submit_command(),
          validate_command(),  tokenize_command(), inspect_command(),         make_model_command(), convert_command(),
          compare_command(),   bench_command(),    calibrate_cache_command(), clean_command(),      doctor_command(),
          status_command(),    explain_command(),  control_command(),         report_command(),     preview_command(),
          completion_command()};
}

}  // namespace wf
