#include "launcher/report/cards.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>

#include "base/error.hpp"
#include "jobs/output/drafts.hpp"
#include "jobs/output/sidecar.hpp"
#include "jobs/schedule/stage.hpp"
#include "launcher/report/markup.hpp"
#include "launcher/report/text.hpp"
#include "pipeline/video/contact_sheet.hpp"

namespace wf {
namespace {

/// The seconds by stage of a clip that an earlier run has finished, and of which the journal tells none, are in its
/// sidecar.
std::map<std::string, double> seconds_of(const ClipHistory& clip, const Path& output) {
  if (!clip.seconds.empty() || clip.state != ClipState::done || clip.file.empty()) return clip.seconds;
  try {
    return read_sidecar((output / clip.file).replace_extension(".json")).seconds;
  } catch (const Error&) {
    return {};  // the clip has been renamed or removed meanwhile
  }
}

/// Browsers play MP4; of other files the report shows the pictures alone.
bool is_playable(const std::string& file) { return file.ends_with(".mp4"); }

/// Lines between the frames of a sheet, as an SVG path.
std::string lines_between(const SheetLayout& layout) {
  const auto [width, height] = layout.size;
  const PictureSize frame = layout.areas[1].size;
  return layout.below ? fmt::format("M0 {}H{}M{} {}V{}M{} {}V{}", 3 * frame.height, width, frame.width,
                                    3 * frame.height, height, 2 * frame.width, 3 * frame.height, height)
                      : fmt::format("M{} 0V{}M{} {}H{}M{} {}H{}", 3 * frame.width, height, 3 * frame.width,
                                    frame.height, width, 3 * frame.width, 2 * frame.height, width);
}

/// Whether the sheet may fill the whole of its place on the card, of 13 : 10, since only a narrow margin is cut off.
bool fills_its_place(PictureSize sheet) {
  const double ratio = 1.0 * sheet.width / sheet.height;
  return ratio > 1.22 && ratio < 1.38;
}

std::string picture(const RunHistory& history, const ClipHistory& clip, const Path& folder, const std::string& sheet) {
  if (sheet.empty())
    return fill("no-sheet",
                {{"text", clip.state == ClipState::done ? "no picture" : std::string(to_string(clip.state))}});
  const SheetLayout layout = sheet_layout({clip.clip.job.width, clip.clip.job.height});
  const std::string url = relative_url(history.output / clip.file, folder);
  const bool fills = fills_its_place(layout.size);
  return fill("sheet", {{"fit", fills ? "fills" : "fits"},
                        {"align", fills ? "xMidYMid slice" : "xMidYMid"},
                        {"lines", lines_between(layout)},
                        {"url", url},
                        {"video", is_playable(clip.file) ? url : ""},
                        {"data", data_uri(sheet)},
                        {"width", std::to_string(layout.size.width)},
                        {"height", std::to_string(layout.size.height)},
                        {"name", clip.clip.job.name}});
}

/// Whether the clip has stopped at the boundary: its video is the small one that shows what the high-noise expert
/// foresees.
bool is_draft(const ClipHistory& clip) {
  return Path(clip.file).parent_path().filename() == Path(draft_file("")).parent_path();
}

std::string settings(const Job& job) {
  return fmt::format("{}\u00d7{} \u00b7 {} frames \u00b7 {} steps \u00b7 seed {}", job.width, job.height, job.frames,
                     job.steps, job.seed ? std::to_string(*job.seed) : "random");
}

/// "high 12.3 s, low 8.1 s"
std::string by_stage(const std::map<std::string, double>& seconds) {
  std::string text;
  for (const Stage stage : all_stages) {
    const std::string name(to_string(stage));
    if (const auto spent = seconds.find(name); spent != seconds.end())
      text += (text.empty() ? "" : ", ") + name + " " + seconds_text(spent->second);
  }
  return text;
}

std::string time_taken(const std::map<std::string, double>& seconds) {
  const double whole = total_seconds(seconds);
  if (whole <= 0) return "";
  std::string bars;
  double x = 0;
  for (const Stage stage : all_stages) {
    const std::string name(to_string(stage));
    const auto spent = seconds.find(name);
    if (spent == seconds.end()) continue;
    const double width = 1000 * spent->second / whole;
    bars += fill("bar", {{"stage", name},
                         {"x", number_text(x)},
                         {"y", "0"},
                         {"width", number_text(width)},
                         {"height", "10"},
                         {"title", name + " " + seconds_text(spent->second)}});
    x += width;
  }
  return fill("took", {{"label", by_stage(seconds)}, {"bars", bars}, {"took", seconds_text(whole)}});
}

/// What a running clip is doing, from the run's status if that still speaks of the clip.
std::string progress(const RunHistory& history, const ClipHistory& clip) {
  const auto rank = static_cast<std::size_t>(clip.rank);
  if (clip.rank < 0) return "";
  if (!history.live || rank >= history.live->ranks.size() || history.live->ranks[rank].clip != clip.clip.job.name)
    return fmt::format("{} on rank {}", clip.stage, clip.rank);
  const LiveStatus::Rank& live = history.live->ranks[rank];
  return live.steps > 1 ? fmt::format("{}, step {} of {}, on rank {}", live.stage, live.step, live.steps, clip.rank)
                        : fmt::format("{} on rank {}", live.stage, clip.rank);
}

std::string outcome(const RunHistory& history, const ClipHistory& clip, const std::map<std::string, double>& seconds) {
  if (clip.state == ClipState::done) return time_taken(seconds);
  const std::string text = clip.state == ClipState::running ? progress(history, clip) : clip.error;
  return fill("outcome", {{"state", std::string(to_string(clip.state))}, {"text", text}});
}

std::string facts(const ClipHistory& clip, const std::map<std::string, double>& seconds) {
  const Job& job = clip.clip.job;
  std::string text;
  const auto add = [&](const std::string& key, const std::string& value) {
    if (!value.empty()) text += fill("fact", {{"key", key}, {"value", value}});
  };
  add("seconds", by_stage(seconds));
  add("ended", time_text(clip.ended));
  add("rank", clip.rank < 0 ? "" : std::to_string(clip.rank));
  add("attempts", clip.attempts > 1 ? std::to_string(clip.attempts) : "");
  add("found", clip.found ? "an earlier run had finished it" : "");
  add("last error", clip.state == ClipState::done ? clip.error : "");
  add("frames a second", std::to_string(job.fps));
  add("solver", fmt::format("{}, shift {}", to_string(job.solver), job.shift));
  add("guidance", to_string(job.guidance));
  add("step cache", job.step_cache ? to_string(*job.step_cache) : "");
  add("guidance interval", job.guidance_interval ? to_string(*job.guidance_interval) : "");
  add("saved", saved_text(job));
  add("negative prompt", !job.guidance.any()                              ? "not used"
                         : job.negative_prompt == default_negative_prompt ? "the official one"
                         : job.negative_prompt.empty()                    ? "none"
                                                                          : job.negative_prompt);
  add("priority", job.priority == 0 ? "" : std::to_string(job.priority));
  add("fingerprint", clip.clip.fingerprint.substr(0, 12));
  return text;
}

std::string links(const RunHistory& history, const ClipHistory& clip, const Path& folder) {
  if (clip.state != ClipState::done || clip.file.empty()) return "";
  const Path video = history.output / clip.file, sidecar = Path(video).replace_extension(".json");
  return fill("links", {{"video_url", relative_url(video, folder)},
                        {"video", video.filename().string()},
                        {"sidecar_url", relative_url(sidecar, folder)},
                        {"sidecar", sidecar.filename().string()}});
}

std::string card(const RunHistory& history, std::size_t index, const Path& folder, const SheetOf& sheet_of) {
  const ClipHistory& clip = history.clips[index];
  const std::map<std::string, double> seconds = seconds_of(clip, history.output);
  return fill("card", {{"state", std::string(to_string(clip.state))},
                       {"number", std::to_string(index + 1)},
                       {"name", clip.clip.job.name},
                       {"took", number_text(total_seconds(seconds))},
                       {"ended", fmt::format("{:.3f}", clip.ended)},
                       {"picture", picture(history, clip, folder, sheet_of(clip))},
                       {"prompt", clip.clip.job.prompt},
                       {"settings", (is_draft(clip) ? "draft \u00b7 " : "") + settings(clip.clip.job)},
                       {"outcome", outcome(history, clip, seconds)},
                       {"facts", facts(clip, seconds)},
                       {"links", links(history, clip, folder)}});
}

constexpr std::array states{ClipState::done,   ClipState::running,     ClipState::waiting,
                            ClipState::failed, ClipState::quarantined, ClipState::cancelled};

/// A button for each state that occurs, if there are several.
std::string filters(const RunHistory& history) {
  const auto button = [](const std::string& value, const std::string& label, std::size_t count) {
    return fill("filter", {{"value", value},
                           {"pressed", value.empty() ? "true" : "false"},
                           {"label", label},
                           {"count", std::to_string(count)}});
  };
  std::string buttons = button("", "all", history.clips.size());
  std::size_t kinds = 0;
  for (const ClipState state : states) {
    const std::size_t count = count_clips(history, state);
    if (count == 0) continue;
    ++kinds;
    buttons += button(std::string(to_string(state)), std::string(to_string(state)), count);
  }
  return kinds > 1 ? buttons : "";
}

}  // namespace

std::string clips_section(const RunHistory& history, const Path& folder, const SheetOf& sheet_of) {
  std::string cards;
  for (std::size_t i = 0; i < history.clips.size(); ++i) cards += card(history, i, folder, sheet_of);
  return fill("clips", {{"filters", filters(history)}, {"cards", cards}});
}

}  // namespace wf
