// launcher/commands/validate.cpp: wanfarm validate LIST: reads a list as render would, and stops there.
#include <iostream>
#include <memory>

#include "jobs/job_file.hpp"
#include "launcher/commands/commands.hpp"

namespace wf {

Command validate_command() {
  const auto list = std::make_shared<Path>();
  return {.name = "validate",
          .summary = "Check a prompt list and report every mistake with line and column",
          .examples = "  wanfarm validate examples/prompts.yaml\n",
          .flags = {{"LIST", "FILE", "the prompt list (YAML)", into(*list)}},
          .run = [list] {
            const JobList jobs = read_job_list(*list);
            std::cout << list->string() << ": " << jobs.jobs.size() << (jobs.jobs.size() == 1 ? " clip" : " clips")
                      << ", no mistakes\n";
            return 0;
          }};
}

}  // namespace wf
