// launcher/cli/commands/validate.cpp: wanfarm validate LIST: checks a list without rendering it.
#include <iostream>
#include <memory>

#include "jobs/list/job_list.hpp"
#include "launcher/cli/commands/commands.hpp"

namespace wf {

Command validate_command() {
  const auto list = std::make_shared<Path>();
  return {.name = "validate",
          .summary = "Check a prompt list; report every error with line and column",
          .examples = "  wanfarm validate examples/prompts.yaml\n",
          .flags = {{"LIST", "FILE", "the prompt list (YAML)", into(*list)}},
          .run = [list] {
            const JobList jobs = read_job_list(*list);
            for (const std::string& warning : jobs.warnings) std::cerr << "note: " << warning << '\n';
            std::cout << list->string() << ": " << jobs.jobs.size() << (jobs.jobs.size() == 1 ? " clip" : " clips")
                      << ", no errors\n";
            return 0;
          }};
}

}  // namespace wf
