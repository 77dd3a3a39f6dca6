#include "launcher/run/handshake.hpp"

#include <spdlog/fmt/fmt.h>

#include <chrono>
#include <thread>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/paths.hpp"
#include "base/shared_disk.hpp"
#include "base/watched_work.hpp"
#include "cluster/node.hpp"
#include "jobs/output/frame_folder.hpp"
#include "launcher/options/model_choice.hpp"
#include "launcher/options/shared_settings.hpp"
#include "launcher/planner/saved_forwards.hpp"
#include "launcher/run/rank_process.hpp"
#include "pipeline/video/video_writer.hpp"
#include "pipeline/weights/staged_files.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

constexpr auto network_disk_delay = 5s;  ///< longest time until a file that one node wrote is visible on another

/// Throws Error(input) when a job's video cannot be encoded as the options ask.
void check_video(const std::vector<Job>& jobs, const RunOptions& options) {
  for (const Job& job : jobs)
    check_format({.width = job.width,
                  .height = job.height,
                  .fps = job.fps,
                  .codec = options.video.codec,
                  .crf = options.video.crf,
                  .preset = options.video.preset,
                  .comment = ""});
}

/// Throws Error(input) when a folder of a user bears the name of a clip whose frames are to be kept, rather than when
/// the clip has been rendered.
void check_frame_folders(const LedRun& led, const RunOptions& options) {
  if (!options.video.png || options.planning.choices.draft) return;
  const auto names = names_in(led.run.output);
  for (std::size_t i = 0; i < led.run.jobs.size(); ++i)
    if (const std::string& name = led.run.jobs[i].name; names.contains(name) && !led.earlier.finished.contains(i))
      check_frame_folder(led.run.output / name);
}

void open_log_file(const Path& output, int rank) {
  make_folder(output / "log");
  log_to_file(output / fmt::format("log/rank-{:03}.log", rank));
}

/// Waits for one report of type `Expected` from every other rank and calls take(its rank, the report). No other reports
/// come during the handshake, and it needs no timeout: the agent ends the run when a rank is lost.
template <class Expected, class Take>
void from_all_others(RankAgent& agent, const Take& take) {
  for (int left = agent.size() - 1; left > 0;) {
    const std::optional<RankAgent::Report> report = agent.next_report(1s);
    if (!report) continue;
    const auto* const message = std::get_if<Expected>(&report->message);
    if (!message) continue;
    take(report->from, *message);
    --left;
  }
}

/// Throws the problem of a rank that cannot take part, or input when it was started differently, naming the rank.
void check_hello(const std::string& name, const message::Hello& hello, const SharedSettings& of_rank_0) {
  if (hello.kind >= 0) throw Error(static_cast<Error::Kind>(hello.kind), name + ": " + hello.problem);
  if (const std::string difference = first_difference(hello.settings, of_rank_0); !difference.empty())
    throw Error(Error::input, name + " was started with " + difference + ": start all ranks with the same command");
}

/// The resources of all ranks. Waits for every Hello, and then throws the problem of the first rank that has one.
std::vector<RankResources> resources_of_all(RankAgent& agent, const RankResources& own, const RunOptions& options) {
  std::vector<RankResources> resources(static_cast<std::size_t>(agent.size()), own);
  std::map<int, message::Hello> hellos;
  from_all_others<message::Hello>(agent, [&](int from, const message::Hello& hello) { hellos[from] = hello; });
  for (const auto& [rank, hello] : hellos) {
    check_hello(agent.name(rank), hello, shared_settings(options));
    resources[static_cast<std::size_t>(rank)] = hello.resources;
  }
  for (int rank = 0; rank < agent.size(); ++rank)  // ranks know their host names, which do not always tell nodes apart
    resources[static_cast<std::size_t>(rank)].host = agent.node(rank);
  return resources;
}

/// Waits for every other rank's Ready. Throws the problem of the first one to report a problem, naming the rank.
void wait_until_all_are_ready(RankAgent& agent) {
  std::optional<Error> problem;
  from_all_others<message::Ready>(agent, [&](int from, const message::Ready& ready) {
    if (ready.kind >= 0 && !problem)
      problem.emplace(static_cast<Error::Kind>(ready.kind), agent.name(from) + ": " + ready.problem);
  });
  if (problem) throw *problem;
}

ModelParts read_parts(const ModelSource& model, const Execution& base) {
  const WatchedWork watched("", "read the headers of the model's files");
  return read_model(ready_model(model), base);
}

void warn_of(const ModelSource& model, const ModelParts& parts) {
  if (is_random(model.from))
    spdlog::warn(
        "{} has random weights: its videos are coloured noise; give --model a trained checkpoint for real ones",
        model.from.string());
  for (const std::string& warning : parts.warnings) spdlog::warn("{}", warning);
}

/// What rank 0 does before it lets the others start: reads the model, locks the output folder, draws seeds, and plans.
LedRun prepare(const RunRequest& request, const std::vector<RankResources>& resources, const Execution& base,
               const RunOptions& options) {
  check_video(request.jobs, options);
  LedRun led;
  // Ranks of a node share the reading of the model's files and recognise them by their paths. The name of a random
  // model stays as it is, and each node makes the model for itself.
  const ModelSource model = absolute(request.model);
  led.parts = read_parts(model, base);
  std::vector<Job> jobs = request.jobs;
  const std::vector<std::string> keys = request.seed_keys.empty() ? seed_keys(jobs) : request.seed_keys;
  std::vector<std::string> notes;
  if (!request.keeps_saved_forwards) notes = find_saved_forwards(jobs, led.parts);
  const Path output = absolute_folder(request.output);
  led.folder = std::make_unique<RunFolder>(request.output);
  open_log_file(output, 0);
  warn_of(model, led.parts);
  for (const std::string& note : notes) spdlog::info("{}", note);
  led.folder->draw_seeds(jobs, keys);
  led.ranks = resources;
  const ClusterResources ranks = cluster_resources(resources);
  led.request = request_for(led.parts, jobs, base, options.planning, ranks);
  const PlanResult plan = plan_run(led.request, ranks);
  led.run = {.jobs = std::move(jobs),
             .model = model,
             .output = output,
             .model_id = led.parts.id,
             .nonce = led.folder->write_nonce(),
             .plan = plan.winner().plan,
             .finished = {}};
  led.starts = read_earlier_starts(output);
  led.earlier = settle_earlier_runs(
      *led.folder, led.run.jobs, recipe_of(led.parts.id, base, led.parts.is_rounded_to_fp8), options, led.starts.done);
  led.run.finished = not_to_render(led.earlier);
  led.run.stopped = !led.starts.draining.empty();
  check_frame_folders(led, options);
  return led;
}

/// Throws Error(environment) unless this node sees the nonce that rank 0 wrote into the output folder: each node may
/// have a folder of that name on a disk of its own.
void check_folder(const RunSpec& run) {
  const OutputFolder folder(run.output);
  const auto end = std::chrono::steady_clock::now() + network_disk_delay;
  while (folder.read_nonce() != run.nonce) {
    if (std::chrono::steady_clock::now() >= end)
      throw Error(Error::environment, run.output.string() +
                                          ": this node does not see what rank 0 wrote there; the output folder has to "
                                          "be on a disk that all nodes share");
    std::this_thread::sleep_for(50ms);
  }
}

/// Lets the run read the model's files from this node's own disk, if it is to.
void stage(ModelParts& parts, const RunOptions& options) {
  if (options.stage_weights.empty()) return;
  const Path folder = with_variables(options.stage_weights, environment());
  parts.files = staged(parts.files, parts.id, absolute_folder(folder));
}

/// Reads the model, and throws Error(environment) if it is not the checkpoint that rank 0 has read.
ModelParts read_same_model(const RunSpec& run, const Execution& base) {
  ModelParts parts = read_parts(run.model, base);
  if (parts.id == run.model_id) return parts;
  throw Error(Error::environment, describe(run.model) + ": this node has a different checkpoint there than rank 0 (" +
                                      parts.id + ", not " + run.model_id + ")");
}

}  // namespace

RankStart start_of_rank(RunOptions& options, const NodePlace& place) {
  RankStart start;
  try {
    start.base = own_share(options, place);
    start.resources = resources_of(start.base, options.gpu_memory);
  } catch (const std::exception&) {
    start.problem = current_error();
  }
  return start;
}

LedRun start_run(const ReadRequest& read, const RankStart& own, const RunOptions& options, RankAgent& agent) {
  try {
    if (own.problem) throw *own.problem;
    const RunRequest request = read();  // before waiting for the others, since most user errors show up here
    LedRun led = prepare(request, resources_of_all(agent, own.resources, options), own.base, options);
    agent.send_to_others(message::Start{packed(led.run)});
    stage(led.parts, options);
    wait_until_all_are_ready(agent);
    agent.send_to_others(message::Begin{});
    return led;
  } catch (const std::exception&) {
    agent.send_to_others(message::Refused{});
    throw;
  }
}

std::optional<JoinedRun> join_run(const RankStart& own, const RunOptions& options, RankAgent& agent) {
  message::Hello hello{.resources = own.resources, .settings = shared_settings(options)};
  if (own.problem) hello.kind = static_cast<int>(own.problem->kind()), hello.problem = own.problem->what();
  agent.send(0, hello);
  const Message first = agent.next();
  const auto* const start = std::get_if<message::Start>(&first);
  if (!start) return std::nullopt;
  JoinedRun joined;
  message::Ready ready;
  try {
    joined.run = run_spec_from(start->run);
    check_folder(joined.run);
    open_log_file(joined.run.output, agent.rank());
    joined.parts = read_same_model(joined.run, own.base);
    stage(joined.parts, options);
  } catch (const std::exception&) {
    const Error error = current_error();
    ready = {static_cast<int>(error.kind()), error.what()};
  }
  agent.send(0, ready);
  if (!std::holds_alternative<message::Begin>(agent.next())) return std::nullopt;
  return joined;
}

}  // namespace wf
