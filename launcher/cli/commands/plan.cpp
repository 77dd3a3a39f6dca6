// launcher/cli/commands/plan.cpp: wanfarm plan LIST: shows which GPU would do what for a list, and how long it would
// take.
#include <array>
#include <iostream>
#include <memory>

#include "jobs/list/job_list.hpp"
#include "jobs/list/selection.hpp"
#include "jobs/output/publish.hpp"
#include "launcher/cli/commands/commands.hpp"
#include "launcher/cli/commands/planned_ranks.hpp"
#include "launcher/cli/flags.hpp"
#include "launcher/cli/model_flags.hpp"
#include "launcher/planner/report.hpp"

namespace wf {
namespace {

struct PlanOptions {
  Path list;
  int limit = 0;
  std::string only;
  PlannedRanks ranks;
  RunOptions run;
  JobSettings jobs;
};

/// A setter for a size such as "80GiB", or for the name of a hardware preset, which stands for its budget.
std::function<void(const std::string&)> into_memory(std::uint64_t& target) {
  return [&target](const std::string& text) {
    const std::optional<HardwarePreset> preset = hardware_preset(text);
    preset ? void(target = memory_budget(*preset)) : into_bytes(target)(text);
  };
}

int plan(PlanOptions& options) {
  JobList list = read_job_list(options.list, options.jobs);
  for (const std::string& warning : list.warnings) std::cerr << "note: " << warning << '\n';
  take_known_seeds(list.output.value_or("renders"), list.jobs);
  const std::vector<Job> jobs = select(list.jobs, options.only, options.limit);
  const PlanRequest request = plan_request(list.model, jobs, options.ranks, options.run);
  const PlanResult result = make_plan(request);
  std::cout << (options.run.json ? to_json(request, result).dump() + '\n' : to_text(request, result));
  return 0;
}

/// The flags of run_flags() that plan takes in addition to those of the placement.
constexpr std::array shared{
    "--guidance-mode",    "--tf32",    "--no-tf32",   "--vae-precision", "--precision", "--fp8-exact-steps",
    "--fp8-exact-blocks", "--weights", "--attention", "--threads"};

std::vector<Flag> flags_of(PlanOptions& o) {
  std::vector<Flag> flags{
      {"LIST", "FILE", "the prompt list (YAML)", into(o.list)},
      {"--gpus", "N", "GPUs per node (default: those of this node), or nodes of several kinds: 4xh100+8xl40s",
       [&o](const std::string& text) { set_gpus(o.ranks, text); }},
      {"--nodes", "N", "number of nodes (1); 2+4: of each kind in --gpus",
       [&o](const std::string& text) { set_nodes(o.ranks, text); }},
      choice_flag("--gpu", {"h200", "h100", "a100", "l40s", "rtx4090", "generic", "cpu"},
                  "kind of GPU to plan for (default: this node's, h200 with --gpus); cpu: --gpus processes share the "
                  "cores of this node",
                  o.ranks.gpu),
      {"--gpu-memory", "SIZE",
       "at most that much memory per GPU, e.g. 48GiB; maximum, balanced, constrained: 80GB, 40GB, 24GB (default: what "
       "the kind has; a generic GPU has what is given)",
       into_memory(o.run.gpu_memory)},
  };
  append(flags, model_flags(o.run.model));
  append(flags, placement_flags(o.run.planning));
  append(flags, only_named(run_flags(o.run), shared));
  append(flags, selection_flags(o.only, o.limit));
  flags.push_back({"--json", "", "print everything as one JSON object", into(o.run.json)});
  append(flags, job_flags(o.jobs, {.hardware = &o.run.preset}));
  return flags;
}

}  // namespace

Command plan_command() {
  const auto options = std::make_shared<PlanOptions>();
  return {.name = "plan",
          .summary = "Show how GPUs would share a list, how long it would take, and why",
          .examples =
              "  wanfarm plan prompts.yaml --model random:a14b --gpus 8\n"
              "  wanfarm plan prompts.yaml --model random:a14b --gpus 8 --gpu l40s --size 1280x720\n"
              "  wanfarm plan prompts.yaml --model random:a14b --gpus 1 --gpu rtx4090 --preset constrained\n"
              "  wanfarm plan prompts.yaml --model random:a14b --gpus 8 --nodes 16 --gpu h100 --json\n"
              "  wanfarm plan prompts.yaml --model random:a14b --gpus 4xh100+8xl40s --nodes 1+2\n"
              "  wanfarm plan prompts.yaml --model random:a14b --gpus 8 --limit 1 --cfg-parallel 2 --ulysses 4\n",
          .flags = flags_of(*options),
          .run = [options] { return plan(*options); }};
}

}  // namespace wf
