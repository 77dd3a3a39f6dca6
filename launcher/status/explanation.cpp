#include "launcher/status/explanation.hpp"

#include <spdlog/fmt/fmt.h>

#include <array>
#include <vector>

#include "base/text.hpp"
#include "jobs/output/publish.hpp"
#include "jobs/output/sidecar.hpp"
#include "jobs/record/advice.hpp"
#include "launcher/status/status_json.hpp"

namespace wf {
namespace {

constexpr std::size_t label_columns = 10;
constexpr std::size_t time_columns = 10;

int leader_of(const RunHistory& history, int rank) {
  const auto& info = history.info;
  const bool known = info && rank >= 0 && static_cast<std::size_t>(rank) < info->ranks.size();
  return known ? info->ranks[static_cast<std::size_t>(rank)].leader : rank;
}

/// The clip's events, and those of others that it depended on: the loss of its rank, and starts and ends of runs.
std::vector<const Event*> story_of(const RunHistory& history, const ClipHistory& clip) {
  std::vector<const Event*> story;
  std::size_t own = 0;
  int rank = -1;
  for (std::size_t i = 0; i < history.journal.events.size(); ++i) {
    const Event& event = history.journal.events[i];
    if (own < clip.events.size() && clip.events[own] == i) {
      ++own;
      rank = event.kind == Event::assigned ? event.rank : event.kind == Event::at_stage ? rank : -1;
      story.push_back(&event);
    } else if (own > 0 && event.kind == Event::began) {
      rank = -1;
      story.push_back(&event);
    } else if (rank >= 0 &&
               (event.kind == Event::ended || (event.kind == Event::lost && leader_of(history, event.rank) == rank))) {
      rank = -1;
      story.push_back(&event);
    }
  }
  return story;
}

std::string rank_name(const RunHistory& history, int rank) {
  const auto& info = history.info;
  const bool known = info && rank >= 0 && static_cast<std::size_t>(rank) < info->ranks.size();
  return fmt::format("rank {}{}", rank, known ? " (" + info->ranks[static_cast<std::size_t>(rank)].host + ")" : "");
}

/// "text-write" -> "text to write"
std::string stages(std::string text) {
  const std::size_t dash = text.find('-');
  return dash == text.npos ? text : text.replace(dash, 1, " to ");
}

std::string failure(const ClipHistory& clip, const Event& event) {
  const std::string stage = event.stage.empty() ? clip.stage : event.stage;
  return fmt::format("attempt {} failed{}: {}{}", std::max(event.attempt, 1), stage.empty() ? "" : " at " + stage,
                     event.text, event.again ? "; it will be tried again" : "");
}

/// What the event says. clip: as it was then, as far as that is known.
std::string sentence(const RunHistory& history, const ClipHistory& clip, const Event& event) {
  switch (event.kind) {
    case Event::began:
      return fmt::format("the run was started again, on {} ranks", event.rank);
    case Event::ended:
      return fmt::format("the run ended with exit code {}", event.code);
    case Event::found:
      return "found finished: " + event.file;
    case Event::assigned:
      return fmt::format("given to {}, {}, attempt {}", rank_name(history, event.rank), stages(event.stage),
                         std::max(event.attempt, 1));
    case Event::at_stage:
      return fmt::format("{} on {}", event.stage, rank_name(history, event.rank));
    case Event::handed_over:
      return "handed over: its state waits for another group";
    case Event::done:
      return fmt::format("done in {:.1f} s of work: {}", total_seconds(event.seconds), event.file);
    case Event::failed:
      return failure(clip, event);
    case Event::interrupted:
      return fmt::format("stopped at {}: its state is kept on the disk", event.stage);
    case Event::lost:
      return fmt::format("{} is lost: {}", rank_name(history, event.rank), event.text);
    case Event::quarantined:
      return "set aside: " + event.text;
    case Event::cancelled:
      return "cancelled by a user";
    case Event::not_cancelled:
      return "a user cancelled it, but it was done by then";
    case Event::retried:
      return "a user wants it tried again";
    default:
      return std::string(to_string(event.kind));
  }
}

/// The lines of the history, with the date where a day begins.
std::string story_text(const RunHistory& history, const ClipHistory& clip, const Display& display) {
  std::string text, day, stage;
  for (const Event* const event : story_of(history, clip)) {
    if (std::string today = date(event->time); today != day) text += (day = std::move(today)) + "\n";
    if (event->kind == Event::at_stage) stage = event->stage;
    ClipHistory then{.clip = clip.clip, .stage = stage};
    text += clock_time(event->time) + "  " +
            wrapped(sentence(history, then, *event), display.columns - time_columns, time_columns) + "\n";
  }
  return text.empty() ? "Nothing has happened to it yet.\n" : text;
}

std::string row(const std::string& label, const std::string& text, const Display& display) {
  return fmt::format("{:<{}}{}\n", label, label_columns, wrapped(text, display.columns - label_columns, label_columns));
}

/// "28 of 80 forwards saved: step cache magcache:0.06,2,0.4, guidance interval 3,30"; "" for a clip that asks for none.
std::string saving(const Job& job) {
  std::vector<std::string> by;
  if (job.step_cache) by.push_back("step cache " + to_string(*job.step_cache));
  if (job.guidance_interval) by.push_back("guidance interval " + to_string(*job.guidance_interval));
  const std::string saved = saved_text(job);
  return by.empty() ? "" : (saved.empty() ? "no forward" : saved) + " saved: " + join(by, ", ");
}

std::string values(const Job& job, const Display& display) {
  constexpr std::size_t most = 210;  // three lines
  std::string text = row("prompt", fitted(job.prompt, most), display);
  text += row("clip",
              fmt::format("{}x{}, {} frames at {} per second, {} steps, seed {}", job.width, job.height, job.frames,
                          job.fps, job.steps, job.seed.value_or(-1)),
              display);
  text += row("",
              fmt::format("guidance {}; {}, shift {}; number {} in its list", to_string(job.guidance),
                          to_string(job.solver), job.shift, job.index),
              display);
  const std::string saved = saving(job);
  return saved.empty() ? text : text + row("", saved, display);
}

std::string times(const ClipHistory& clip, const Display& display) {
  std::vector<std::string> parts;
  for (const char* const stage : {"text", "high", "low", "decode", "write"})
    if (const auto spent = clip.seconds.find(stage); spent != clip.seconds.end())
      parts.push_back(fmt::format("{} {:.1f} s", stage, spent->second));
  return parts.empty() ? "" : row("took", join(parts, ", "), display);
}

bool has_kept_state(const RunHistory& history, const ClipHistory& clip) {
  std::error_code error;
  return std::filesystem::exists(OutputFolder(history.output).stored_state(clip.clip.fingerprint), error);
}

std::string cause(const RunHistory& history, const ClipHistory& clip, double now) {
  const bool gone = clip.state == ClipState::running && liveness(history, now) != Liveness::alive;
  return gone ? "It was being rendered when the run fell silent; the next start goes on with it." : cause_of(clip);
}

Colour colour_of(ClipState state) {
  if (state == ClipState::done) return Colour::green;
  return state == ClipState::failed || state == ClipState::quarantined ? Colour::red : Colour::bold;
}

nlohmann::ordered_json event_json(const Event& event) { return nlohmann::ordered_json::parse(to_line(event)); }

}  // namespace

std::string explanation_text(const RunHistory& history, std::size_t index, const std::string& run, double now,
                             const Display& display) {
  const ClipHistory& clip = history.clips.at(index);
  const std::string head = fitted(clip.clip.job.name, display.columns - 14) + ": ";
  std::string text = head + coloured(std::string(to_string(clip.state)), colour_of(clip.state), display) + "\n";
  text += values(clip.clip.job, display) + "\n" + story_text(history, clip, display) + "\n" + times(clip, display);
  if (clip.state != ClipState::done || clip.found) text += row("cause", cause(history, clip, now), display);
  if (has_kept_state(history, clip)) text += row("kept", "Its state is on the disk: it goes on from there.", display);
  const std::string advice = advice_on(clip, run);
  return advice.empty() ? text : text + row("to do", advice, display);
}

nlohmann::ordered_json explanation_json(const RunHistory& history, std::size_t index, const std::string& run,
                                        double now) {
  const ClipHistory& clip = history.clips.at(index);
  nlohmann::ordered_json json = clip_json(clip);
  json["cause"] = cause(history, clip, now);
  json["advice"] = advice_on(clip, run);
  json["kept_state"] = has_kept_state(history, clip);
  json["events"] = nlohmann::ordered_json::array();
  for (const Event* const event : story_of(history, clip)) json["events"].push_back(event_json(*event));
  return json;
}

}  // namespace wf
