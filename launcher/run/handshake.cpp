#include "launcher/farm/start.hpp"

#include <spdlog/fmt/fmt.h>

#include <chrono>
#include <thread>

#include "cluster/error.hpp"
#include "cluster/log.hpp"
#include "launcher/model_choice.hpp"
#include "pipeline/video/video_writer.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

constexpr auto network_disks_take = 5s;  ///< until what one machine has written is seen by another

void check_video(const std::vector<Job>& jobs, const RunOptions& options) {
  for (const Job& job : jobs)
    check_format({.width = job.width,
                  .height = job.height,
                  .fps = job.fps,
                  .codec = chosen_codec(options),
                  .crf = options.crf,
                  .preset = options.preset,
                  .comment = ""});
}

void open_log_file(const Path& output, int rank) {
  make_folder(output / "log");
  log_to_file(output / fmt::format("log/rank-{:03}.log", rank));
}

/// Without "." and a slash at its end, as messages name it.
Path absolute_folder(const Path& path) {
  const Path whole = std::filesystem::absolute(path).lexically_normal();
  return whole.has_filename() ? whole : whole.parent_path();
}

/// As all ranks name it: its files are read together, by name. "random:a14b" is made by each machine for itself.
Path model_for_all(const Path& model) { return is_random(model) ? model : std::filesystem::absolute(model); }

/// A report of that kind from every other rank. Nothing else comes now; the courier notices who never will.
template <class Letter, class Take>
void from_all_others(Courier& courier, const Take& take) {
  for (int left = courier.size() - 1; left > 0;) {
    const std::optional<Courier::Report> report = courier.next_report(1s);
    if (!report) continue;
    const auto* const letter = std::get_if<Letter>(&report->message);
    if (!letter) continue;
    take(report->from, *letter);
    --left;
  }
}

void tell_all_others(Courier& courier, const Message& message) {
  for (int other = 1; other < courier.size(); ++other) courier.send(other, message);
}

std::vector<RankFacts> facts_of_all(Courier& courier, const RankFacts& own) {
  std::vector<RankFacts> facts(static_cast<std::size_t>(courier.size()), own);
  from_all_others<letter::Hello>(
      courier, [&](int from, const letter::Hello& hello) { facts[static_cast<std::size_t>(from)] = hello.facts; });
  return facts;
}

/// Throws for the first that is not.
void wait_until_all_are_ready(Courier& courier) {
  std::optional<Error> problem;
  from_all_others<letter::Ready>(courier, [&](int from, const letter::Ready& ready) {
    if (ready.kind >= 0 && !problem)
      problem.emplace(static_cast<Error::Kind>(ready.kind), courier.name(from) + ": " + ready.problem);
  });
  if (problem) throw *problem;
}

/// The clips that earlier runs finished.
std::map<std::size_t, Sidecar> find_finished(const RunFolder& folder, const std::vector<Job>& jobs,
                                             const Recipe& recipe) {
  std::map<std::size_t, Sidecar> finished;
  for (std::size_t i = 0; i < jobs.size(); ++i)
    if (std::optional<Sidecar> sidecar = folder.finished(jobs[i], fingerprint(jobs[i], recipe)))
      finished.emplace(i, std::move(*sidecar));
  return finished;
}

LedRun prepare(const RunRequest& request, const std::vector<RankFacts>& facts, const Execution& base,
               const RunOptions& options) {
  check_video(request.jobs, options);
  LedRun led;
  const Path model = model_for_all(request.model);
  led.parts = read_model(ready_model(model), base.precision);
  const Path output = absolute_folder(request.output);
  led.folder = std::make_unique<RunFolder>(request.output);
  open_log_file(output, 0);
  if (is_random(model))
    spdlog::warn(
        "{} has random weights: its videos are coloured noise; give --model a trained checkpoint for real ones",
        model.string());
  std::vector<Job> jobs = request.jobs;
  led.folder->settle_seeds(jobs);
  const Ranks ranks = ranks_of(facts);
  led.request = request_for(led.parts, jobs, base, options, ranks);
  const PlanResult plan = plan_run(led.request, options, ranks);
  led.run = {.jobs = std::move(jobs),
             .model = model,
             .output = output,
             .model_id = led.parts.id,
             .word = led.folder->leave_word(),
             .plan = plan.winner().plan,
             .finished = {}};
  const Recipe recipe = recipe_of(led.parts.id, base);
  if (!options.force) led.finished = find_finished(*led.folder, led.run.jobs, recipe);
  for (const auto& [clip, sidecar] : led.finished) led.run.finished.push_back(clip);
  return led;
}

/// Two machines may each have a folder of that name.
void check_folder(const RunStart& run) {
  const OutputFolder folder(run.output);
  const auto end = std::chrono::steady_clock::now() + network_disks_take;
  while (folder.seen_word() != run.word) {
    if (std::chrono::steady_clock::now() >= end)
      throw Error(Error::environment, run.output.string() +
                                          ": this machine does not see what rank 0 wrote there; the output folder has "
                                          "to lie on a disk that all machines share");
    std::this_thread::sleep_for(50ms);
  }
}

ModelParts read_same_model(const RunStart& run, Precision precision) {
  ModelParts parts = read_model(ready_model(run.model), precision);
  if (parts.id == run.model_id) return parts;
  throw Error(Error::environment, run.model.string() + ": this machine sees another checkpoint there than rank 0 (" +
                                      parts.id + ", not " + run.model_id + ")");
}

}  // namespace

LedRun start_run(const ReadRequest& read, const Execution& base, const RunOptions& options, Courier& courier) {
  try {
    const RankFacts own = facts_of(base, options);
    const RunRequest request = read();  // most mistakes are here: known before the others are waited for
    LedRun led = prepare(request, facts_of_all(courier, own), base, options);
    tell_all_others(courier, letter::Start{to_json(led.run)});
    wait_until_all_are_ready(courier);
    tell_all_others(courier, letter::Begin{});
    return led;
  } catch (const std::exception&) {
    tell_all_others(courier, letter::Refused{});
    throw;
  }
}

std::optional<JoinedRun> join_run(const Execution& base, const RunOptions& options, Courier& courier) {
  courier.send(0, letter::Hello{facts_of(base, options)});
  const Message first = courier.next();
  const auto* const start = std::get_if<letter::Start>(&first);
  if (!start) return std::nullopt;
  JoinedRun joined;
  letter::Ready ready;
  try {
    joined.run = run_start_from(start->run);
    check_folder(joined.run);
    open_log_file(joined.run.output, courier.rank());
    joined.parts = read_same_model(joined.run, base.precision);
  } catch (const std::exception&) {
    const Error error = current_error();
    ready = {static_cast<int>(error.kind()), error.what()};
  }
  courier.send(0, ready);
  if (!std::holds_alternative<letter::Begin>(courier.next())) return std::nullopt;
  return joined;
}

}  // namespace wf
