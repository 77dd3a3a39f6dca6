#include "tests/launcher/report/made_up_run.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

#include "jobs/schedule/stage.hpp"
#include "pipeline/video/contact_sheet.hpp"

namespace wf::test {
namespace {

constexpr double start = 1764403200;  // 2025-11-29 08:00 UTC

constexpr std::array prompts{
    "A red kite over a green field, seen from the ground, while clouds pass quickly behind it.",
    "Two anthropomorphic cats in comfy boxing gear and bright gloves fight intensely on a spotlighted stage.",
    "Rain on a window at night; the lights of a city blur behind the drops.",
    "A wooden boat crosses a still lake at dawn. Mist lies on the water, and the camera follows from above.",
    "An old clockmaker bends over his table.",
};
constexpr std::array<std::array<int, 2>, 4> sizes{{{832, 480}, {1280, 720}, {480, 832}, {640, 640}}};

/// The events of a clip that passes all stages on one rank. Returns its end.
double render(RunHistory& run, ClipHistory& clip, double time) {
  const auto add = [&](Event event) {
    event.time = time;
    event.clip = clip.clip.job.name;
    event.rank = clip.rank;
    event.number = static_cast<std::int64_t>(run.journal.events.size()) + 1;
    event.epoch = 1;
    clip.events.push_back(run.journal.events.size());
    run.journal.events.push_back(event);
  };
  clip.began = time;
  add({.kind = Event::assigned, .stage = "text-write", .attempt = 1});
  for (const Stage stage : all_stages) {
    const auto seconds = clip.seconds.find(std::string(to_string(stage)));
    if (seconds == clip.seconds.end()) continue;
    add({.kind = Event::at_stage, .stage = seconds->first});
    time += seconds->second;
  }
  if (clip.state == ClipState::failed)
    add({.kind = Event::failed, .attempt = 1, .error = clip.error_kind, .text = clip.error});
  else
    add({.kind = Event::done, .attempt = 1, .seconds = clip.seconds, .file = clip.file});
  clip.ended = time;
  return time;
}

void fail(ClipHistory& clip) {
  clip.state = ClipState::failed;
  clip.error_kind = "resource";
  clip.error = "NVIDIA H200 is out of memory: 12.00 GiB more was asked for, 131.02 GiB of 139.81 GiB hold tensors";
  clip.file = "";
  for (const char* const stage : {"low", "decode", "write"}) clip.seconds.erase(stage);
}

RunInfo made_up_info(int ranks) {
  RunInfo info;
  info.id = "3f9a61c2";
  info.epoch = 1;
  info.started = start;
  info.host = "n1";
  info.version = "0.1.0";
  info.command = {"wanfarm", "render", "prompts.yaml", "--ranks", std::to_string(ranks)};
  info.folder = "/home/user";
  info.model = {"/data/Wan2.2-T2V-A14B"};
  info.placement = "resident";
  info.precision = "exact";
  info.codec = "h264";
  for (int rank = 0; rank < ranks; ++rank) info.ranks.push_back({"n1", "NVIDIA H200", rank});
  return info;
}

}  // namespace

ClipHistory made_up_clip(int number, const std::string& prompt) {
  const auto [width, height] = sizes[static_cast<std::size_t>(number) % sizes.size()];
  ClipHistory clip;
  Job& job = clip.clip.job;
  job.name = fmt::format("{:04}-clip-s42", number);
  job.index = number;
  job.prompt = prompt;
  job.seed = 42;
  job.width = width;
  job.height = height;
  clip.clip.fingerprint = fmt::format("{:064x}", number);
  return clip;
}

RunHistory made_up_run(int clips, int ranks) {
  RunHistory run;
  run.output = "renders";
  run.info = made_up_info(ranks);
  run.journal.last_epoch = 1;
  run.journal.events.push_back(
      {.kind = Event::began, .epoch = 1, .number = 1, .time = start, .rank = ranks, .text = "3f9a61c2"});
  std::mt19937 random(7);
  std::vector<double> free(static_cast<std::size_t>(ranks), start + 20);
  for (int number = 1; number <= clips; ++number) {
    ClipHistory clip = made_up_clip(number, prompts[random() % prompts.size()]);
    clip.state = ClipState::done;
    clip.attempts = 1;
    clip.rank = (number - 1) % ranks;
    clip.file = clip.clip.job.name + ".mp4";
    const double scale = 0.8 + 0.4 * static_cast<double>(random() % 1000) / 1000;
    clip.seconds = {{"decode", 9 * scale}, {"high", 190 * scale}, {"low", 150 * scale}, {"text", 0.4}, {"write", 4}};
    if (number % 9 == 4) fail(clip);
    double& time = free[static_cast<std::size_t>(clip.rank)];
    time = render(run, clip, time);
    run.last_event = std::max(run.last_event, time);
    run.clips.push_back(clip);
  }
  std::ranges::stable_sort(run.journal.events, {}, &Event::time);
  run.journal.events.push_back({.kind = Event::ended, .epoch = 1, .time = run.last_event, .code = 1});
  run.exit_code = 1;
  return run;
}

std::string made_up_sheet(const ClipHistory& clip) {
  Picture picture(sheet_layout({clip.clip.job.width, clip.clip.job.height}).size);
  std::mt19937 random(static_cast<unsigned>(clip.clip.job.index));
  const double hue = static_cast<double>(random() % 628) / 100;
  for (std::size_t i = 0; i < picture.rgb.size(); ++i) {
    const auto pixel = i / 3, width = static_cast<std::size_t>(picture.size.width);
    const double x = static_cast<double>(pixel % width), y = static_cast<double>(pixel / width);
    const double wave =
        std::sin(x / 47 + hue) * std::cos(y / 31 - hue) + std::sin((x + y) / 90 + static_cast<double>(i % 3));
    const double noise = static_cast<double>(random() % 60);
    picture.rgb[i] = static_cast<std::uint8_t>(std::clamp(110 + 55 * wave + noise, 0.0, 255.0));
  }
  return to_small_file(picture);
}

}  // namespace wf::test
