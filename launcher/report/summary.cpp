#include "launcher/report/summary.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <map>

#include "base/paths.hpp"
#include "base/shell.hpp"
#include "base/text.hpp"
#include "launcher/report/markup.hpp"
#include "launcher/report/text.hpp"

namespace wf {
namespace {

/// How the run stands, in a word that style and reader know, and in a sentence.
struct Standing {
  std::string state, headline, subline;
};

Standing standing_of(const RunHistory& history, double now) {
  const std::size_t left = count_clips(history, ClipState::waiting) + count_clips(history, ClipState::running);
  switch (liveness(history, now)) {
    case Liveness::alive:
      return {"running", history.live ? history.live->state : "running",
              history.live && history.live->eta_seconds >= 0
                  ? "about " + duration_text(history.live->eta_seconds) + " left, as of " + time_text(now)
                  : "as of " + time_text(now)};
    case Liveness::silent:
      return {"stopped", "cut short", "last heard of at " + time_text(history.last_event)};
    case Liveness::ended:
      break;
  }
  if (history.last_event <= 0) return {"done", "finished", "by a version that kept no record"};
  const std::string when = "at " + time_text(history.last_event);
  if (left > 0) return {"stopped", "stopped", when + ", with " + count_text(left, "clip") + " left"};
  const bool failed = count_clips(history, ClipState::failed) + count_clips(history, ClipState::quarantined) > 0;
  return failed ? Standing{"failed", "finished with failures", when} : Standing{"done", "finished", when};
}

double seconds_at_work(const RankActivity& activity) {
  double seconds = 0;
  for (const RunTime& run : activity.runs) seconds += run.end - run.begin;
  return seconds;
}

std::string figure(const std::string& key, const std::string& value, const std::string& unit = "") {
  return fill("figure", {{"key", key}, {"value", value}, {"unit", unit}});
}

/// With the digits that count: "2624", "18.3", "0.45".
std::string rate_text(double rate) { return fmt::format("{:.{}f}", rate, rate < 1 ? 2 : rate < 100 ? 1 : 0); }

std::string figures(const RunHistory& history, const RankActivity& activity) {
  const std::size_t done = count_clips(history, ClipState::done);
  const auto found = static_cast<std::size_t>(std::ranges::count_if(history.clips, &ClipHistory::found));
  const double seconds = seconds_at_work(activity);
  std::string text = figure("clips done", std::to_string(done), fmt::format(" of {}", history.clips.size()));
  const auto if_any = [&](const std::string& key, std::size_t number) {
    if (number > 0) text += figure(key, std::to_string(number));
  };
  if_any("found finished", found);
  if_any("failed", count_clips(history, ClipState::failed));
  if_any("quarantined", count_clips(history, ClipState::quarantined));
  if_any("cancelled", count_clips(history, ClipState::cancelled));
  if (seconds > 0) text += figure("time", duration_text(seconds));
  if (seconds > 0 && done > found)
    text += figure("rate", rate_text(3600.0 * static_cast<double>(done - found) / seconds), " clips an hour");
  if (history.info) if_any(history.info->ranks.size() == 1 ? "rank" : "ranks", history.info->ranks.size());
  if_any("ranks lost", activity.losses.size());
  if_any("starts", activity.runs.size() > 1 ? activity.runs.size() : 0);
  return text;
}

/// "8 x NVIDIA H200 (n1), 8 x NVIDIA H200 (n2)"
std::string devices(const std::vector<RunInfo::Rank>& ranks) {
  std::map<std::string, std::size_t> counts;
  for (const RunInfo::Rank& rank : ranks) ++counts[rank.device + " (" + rank.host + ")"];
  std::string text;
  for (const auto& [device, number] : counts)
    text += fmt::format("{}{} \u00d7 {}", text.empty() ? "" : ", ", number, device);
  return text;
}

std::string facts(const RunInfo& info) {
  std::string text;
  const auto add = [&](const std::string& key, const std::string& value) {
    if (!value.empty()) text += fill("fact", {{"key", key}, {"value", value}});
  };
  add("started", time_text(info.started) + " " + time_zone());
  add("in", info.folder);
  add("on", devices(info.ranks));
  add("model", describe(info.model));
  add("placement", info.placement);
  add("precision", info.precision);
  add("codec", info.codec);
  add("wanfarm", info.version);
  add("run", info.id);
  return text;
}

}  // namespace

std::string title_of(const RunHistory& history) { return absolute_folder(history.output).filename().string(); }

std::string summary_section(const RunHistory& history, const RankActivity& activity, double now) {
  const Standing standing = standing_of(history, now);
  return fill("summary", {{"title", title_of(history)},
                          {"state", standing.state},
                          {"headline", standing.headline},
                          {"subline", standing.subline},
                          {"figures", figures(history, activity)},
                          {"command", history.info ? shell_command(history.info->command) : "not recorded"},
                          {"facts", history.info ? facts(*history.info) : ""}});
}

}  // namespace wf
