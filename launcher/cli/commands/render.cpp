// launcher/cli/commands/render.cpp: wanfarm render LIST: renders a prompt list into videos.
#include <spdlog/fmt/fmt.h>

#include <memory>

#include "base/log.hpp"
#include "jobs/list/job_list.hpp"
#include "jobs/list/selection.hpp"
#include "jobs/output/fingerprint.hpp"
#include "jobs/output/publish.hpp"
#include "jobs/record/shards.hpp"
#include "launcher/cli/commands/commands.hpp"
#include "launcher/cli/flags.hpp"
#include "launcher/options/model_choice.hpp"
#include "launcher/planner/list_shard.hpp"
#include "launcher/run/on_finish.hpp"
#include "launcher/run/run.hpp"

namespace wf {
namespace {

struct RenderOptions {
  Path list;
  RunOptions run;
  JobSettings jobs;
  std::string only;
  int limit = 0;
  std::optional<ListShard> shard;
};

/// Every rank computes it, also those that do not read the list.
std::map<std::string, std::string> request_of(const RenderOptions& options) {
  return {{"LIST", options.list.string()},
          {"--only", options.only},
          {"--limit", std::to_string(options.limit)},
          {"--shard", options.shard ? fmt::format("{}/{}", options.shard->number, options.shard->count) : ""},
          {"--samples", std::to_string(options.jobs.samples.value_or(0))},
          {"flags of clips", to_json(apply(options.jobs))}};
}

/// The folder that the run works in: the output folder, or the shard's in it.
Path folder_in(const Path& output, const RenderOptions& options) {
  return options.shard ? shard_folder(output, *options.shard) : output;
}

RunRequest read_request(const RenderOptions& options) {
  JobList list = read_job_list(options.list, options.jobs);
  for (const std::string& warning : list.warnings) spdlog::warn("{}", warning);
  const Path output = options.run.output.value_or(list.output.value_or("renders"));
  check_division(output, options.shard);
  const Path folder = folder_in(output, options);
  std::vector<std::string> keys = take_known_seeds(folder, list.jobs);
  std::vector<std::size_t> places = selected(list.jobs, options.only, options.limit);
  if (options.shard)
    places =
        at_places(places, places_in_shard(at_places(list.jobs, places), options.shard->number, options.shard->count));
  return {.jobs = at_places(list.jobs, places),
          .model = chosen_model(options.run.model, list.model),
          .output = folder,
          .seed_keys = at_places(keys, places)};
}

int render(RenderOptions& options) {
  const auto output = [&options] {
    return folder_in(
        options.run.output ? *options.run.output : read_job_list(options.list, options.jobs).output.value_or("renders"),
        options);
  };
  if (const auto code = run_as_front_end(options.run, output)) return *code;
  options.run.request = request_of(options);
  return run([&options] { return read_request(options); }, options.run);
}

std::vector<Flag> flags_of(RenderOptions& options) {
  std::vector<Flag> flags{{"LIST", "FILE", "the prompt list (YAML)", into(options.list)}};
  append(flags, run_flags(options.run));
  append(flags, selection_flags(options.only, options.limit));
  flags.push_back({"--shard", "I/N",
                   "only part I of N of the list, of about equal work, in OUTPUT/shard-I-of-N: for job arrays, whose "
                   "tasks render one list at once",
                   [&options](const std::string& text) { options.shard = parse_shard(text); }});
  flags.push_back(choice_flag("--stop-at", Choices<bool>{{"boundary", true}, {"end", false}},
                              "boundary: only what the high-noise expert does, and a small draft of each clip in "
                              "OUTPUT/drafts; `wanfarm finish` goes on from there (end)",
                              options.run.planning.choices.draft));
  append(flags, job_flags(options.jobs, {.hardware = &options.run.preset, .encoder = &options.run.video.preset}));
  return flags;
}

}  // namespace

Command render_command() {
  const auto options = std::make_shared<RenderOptions>();
  return {.name = "render",
          .summary = "Render a prompt list; finished clips are kept",
          .examples =
              "  wanfarm render examples/prompts.yaml\n"
              "  wanfarm render prompts.yaml --model models/Wan2.2-T2V-A14B --output renders/july\n"
              "  wanfarm render prompts.yaml --size 480x832 --steps 20 --only 1,4-6 --dry-run\n"
              "  wanfarm render prompts.yaml --ranks 8\n"
              "  wanfarm render prompts.yaml --shard 2/4   the second of four parts, which run at the same time\n"
              "  wanfarm render prompts.yaml --preset constrained   for GPUs of 24 GB\n"
              "  nohup wanfarm render prompts.yaml >log 2>&1 &      goes on when the terminal closes; without nohup,\n"
              "                                                     that saves and stops it, as Ctrl-C does\n"
              "  wanfarm render prompts.yaml --json --quiet | jq .name\n"
              "  wanfarm render prompts.yaml --on-finish 'mail -s \"$WANFARM_LEFT clips left\" me </dev/null'\n"
              "  wanfarm render renders/failed.yaml                 once more what failed, after it was edited\n",
          .flags = flags_of(*options),
          .run = [options] { return render(*options); }};
}

}  // namespace wf
