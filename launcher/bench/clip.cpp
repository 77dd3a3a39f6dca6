#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "launcher/bench/bench.hpp"
#include "launcher/planner/time_model.hpp"
#include "parallel/device.hpp"
#include "pipeline/stages/stages.hpp"

namespace wf {
namespace {

/// The prompt of each run. They differ, as in a list, so that every clip has a prompt to encode.
std::string prompt_of(const Job& job, int run) {
  return run == 0 ? job.prompt : fmt::format("{} ({})", job.prompt, run + 1);
}

struct Measured {
  std::map<std::string, double> seconds;              ///< Seconds of each stage.
  std::map<std::string, std::uint64_t> device_bytes;  ///< Peak of each stage; empty on a CPU.
};

Path video_file(const Bench& bench, int run) {
  const auto& [folder, name] = bench.videos;
  return folder / fmt::format("{}-{}.{}", name, run + 1, file_ending(bench.options.video.codec));
}

Measured run_clip(const Bench& bench, int run) {
  Clip clip;
  clip.job = bench.job;
  clip.job.prompt = prompt_of(bench.job, run);
  clip.format = {
      .width = clip.job.width, .height = clip.job.height, .fps = clip.job.fps, .codec = bench.options.video.codec};
  clip.files.video = video_file(bench, run);
  for (const Stage stage : all_stages) advance(clip, stage, bench.models);
  return {clip.seconds, clip.device_bytes};
}

/// Time and peak memory of embedding all texts of a list at once, which a text encoder does that is then unloaded.
struct Embedding {
  double seconds = 0;
  std::uint64_t device_bytes = 0;
};

Embedding embed_ahead(const Bench& bench) {
  if (bench.models.execution().keep_text_encoder) return {};
  std::vector<std::string> texts = texts_of(bench.job);
  for (int run = 1; run < bench.runs; ++run) texts.push_back(prompt_of(bench.job, run));
  reset_peak_memory(bench.device());
  const auto begin = std::chrono::steady_clock::now();
  bench.models.embed_ahead(texts);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return {seconds, device_memory(bench.device()).peak};
}

std::vector<Measured> run_clips(const Bench& bench) {
  const Embedding embedding = embed_ahead(bench);
  std::vector<Measured> clips;
  for (int run = 0; run < bench.runs; ++run) clips.push_back(run_clip(bench, run));
  clips.front().seconds["text"] += embedding.seconds;
  for (Measured& clip : clips)
    if (embedding.device_bytes > 0) clip.device_bytes["text"] = embedding.device_bytes;
  return clips;
}

/// Seconds of a stage: in the first clip, which loads the model, and the median of the others, which do not.
struct MeasuredSeconds {
  double cold = 0;
  std::optional<double> warm;
};

MeasuredSeconds seconds_of(const std::vector<Measured>& clips, const std::string& stage) {
  MeasuredSeconds seconds{clips.front().seconds.at(stage), {}};
  std::vector<double> warm;
  for (std::size_t i = 1; i < clips.size(); ++i) warm.push_back(clips[i].seconds.at(stage));
  if (!warm.empty()) seconds.warm = median(warm);
  return seconds;
}

Cell cell(const std::optional<double>& value) { return value ? Cell(*value) : Cell(); }

/// The steps of a stage and the forwards that they compute; 0 where it has none.
struct StageSteps {
  std::int64_t steps = 0, forwards = 0;
};
StageSteps steps_of(const Job& job, Stage stage) {
  const PlannedShape shape = shapes_of({job}).front();
  if (stage == Stage::high) return {shape.high_steps, shape.high_forwards()};
  return stage == Stage::low ? StageSteps{shape.low_steps, shape.low_forwards()} : StageSteps{};
}

/// Seconds of each of `count` steps or forwards; empty for none.
Cell share_of(double seconds, std::int64_t count) {
  return count > 0 ? Cell(seconds / static_cast<double>(count)) : Cell();
}

std::vector<Cell> memory_cells(std::uint64_t peak, std::uint64_t predicted) {
  return {in_gib(peak), in_gib(predicted),
          difference_percent(static_cast<double>(peak), static_cast<double>(predicted))};
}

std::vector<Cell> joined(std::vector<Cell> cells, const std::vector<Cell>& more) {
  cells.insert(cells.end(), more.begin(), more.end());
  return cells;
}

/// True when the last clip found all that stays on the device there, which predictions assume. The first one does not.
bool all_is_loaded(const Bench& bench, const std::vector<Measured>& clips) {
  return clips.size() > 1 || bench.models.execution().residency == Residency::exchanged;
}

std::uint64_t predicted_bytes(const Bench& bench, Stage stage) {
  return bytes_needed(bench.models.parts(), bench.models.execution(), stage, bench.job);
}

std::vector<Cell> stage_line(const Bench& bench, const std::vector<Measured>& clips, Stage stage) {
  const std::string name(to_string(stage));
  const MeasuredSeconds seconds = seconds_of(clips, name);
  const double latest = seconds.warm.value_or(seconds.cold);
  const auto [steps, forwards] = steps_of(bench.job, stage);
  const auto peak = clips.back().device_bytes.find(name);
  return joined({name, seconds.cold, cell(seconds.warm), share_of(latest, steps),
                 steps > 0 ? Cell(static_cast<double>(forwards)) : Cell(), share_of(latest, forwards)},
                memory_cells(peak == clips.back().device_bytes.end() ? 0 : peak->second,
                             all_is_loaded(bench, clips) ? predicted_bytes(bench, stage) : 0));
}

std::uint64_t peak_bytes(const std::vector<Measured>& clips) {
  std::uint64_t peak = 0;
  for (const Measured& clip : clips)
    for (const auto& [stage, bytes] : clip.device_bytes) peak = std::max(peak, bytes);
  return peak;
}

std::vector<Cell> whole_line(const Bench& bench, const std::vector<Measured>& clips, const MeasuredSeconds& whole) {
  return joined(
      {"whole clip", whole.cold, cell(whole.warm), Cell(), Cell(), Cell()},
      memory_cells(peak_bytes(clips), peak_bytes_needed(bench.models.parts(), bench.models.execution(), bench.job)));
}

MeasuredSeconds whole_seconds(const std::vector<Measured>& clips) {
  MeasuredSeconds whole{0, clips.size() > 1 ? std::optional(0.0) : std::nullopt};
  for (const Stage stage : all_stages) {
    const MeasuredSeconds seconds = seconds_of(clips, std::string(to_string(stage)));
    whole.cold += seconds.cold;
    if (whole.warm) *whole.warm += *seconds.warm;
  }
  return whole;
}

Table stages(const Bench& bench, const std::vector<Measured>& clips) {
  Table table{"stages",
              {{"stage", "stage"},
               {"first_s", "first s", 3},
               {"next_s", "next s", 3},
               {"s_per_step", "s/step", 4},
               {"forwards", "forwards", 0},
               {"s_per_forward", "s/forward", 4},
               {"peak_gib", "peak GiB", 2},
               {"predicted_gib", "predicted GiB", 2},
               {"difference_percent", "difference %", 1}}};
  for (const Stage stage : all_stages) table.rows.push_back(stage_line(bench, clips, stage));
  const MeasuredSeconds whole = whole_seconds(clips);
  table.rows.push_back(whole_line(bench, clips, whole));
  if (whole.warm)
    table.rows.push_back({"loading", whole.cold - *whole.warm, Cell(), Cell(), Cell(), Cell(), Cell(), Cell(), Cell()});
  return table;
}

Table exchanges(const Experts::Traffic& traffic) {
  const auto bytes = static_cast<double>(traffic.bytes);
  return {"exchanges",
          {{"what", "experts from host memory"}, {"gb", "GB", 2}, {"seconds", "s", 3}, {"gb_per_s", "GB/s", 1}},
          {{"all clips", bytes / giga, traffic.seconds, ratio(bytes / giga, traffic.seconds)}}};
}

}  // namespace

Report bench_clip(const Bench& bench) {
  const std::vector<Measured> clips = run_clips(bench);
  const MeasuredSeconds whole = whole_seconds(clips);
  Report report{fmt::format("{} clip{} of {} steps from prompt to {} file; the first one loads the model", clips.size(),
                            clips.size() == 1 ? "" : "s", bench.job.steps, to_string(bench.options.video.codec)),
                {stages(bench, clips)},
                whole.warm.value_or(whole.cold)};
  const std::int64_t forwards = steps_of(bench.job, Stage::high).forwards + steps_of(bench.job, Stage::low).forwards;
  report.clip = {forwards, peak_bytes(clips), video_file(bench, 0)};
  if (bench.models.exchanged().bytes > 0) report.tables.push_back(exchanges(bench.models.exchanged()));
  return report;
}

}  // namespace wf
