#include "launcher/status/status_text.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "base/shell.hpp"
#include "base/table.hpp"
#include "base/text.hpp"
#include "launcher/status/figures.hpp"

namespace wf {
namespace {

constexpr std::size_t bar_columns = 20;

/// What every part of the screen needs.
struct View {
  const RunHistory& history;
  const std::string& run;
  double now;
  const Display& display;
  std::string line(const std::string& text, Colour colour = Colour::none) const {
    return coloured(fitted(text, display.columns), colour, display) + "\n";
  }
};

std::string host_of(const View& view) { return view.history.info ? view.history.info->host : "?"; }

std::string started(const View& view) {
  const double since = view.history.info ? view.history.info->started : view.history.last_event;
  const std::int64_t start = view.history.journal.last_epoch;
  return fmt::format("since {} ({}){}", time_text(since, view.now), duration_text(view.now - since),
                     start > 1 ? fmt::format(", start {} in this folder", start) : "");
}

/// The command without what selects a part of its list: that part may be done, or its drafts finished, and what is left
/// is in the rest.
std::vector<std::string> of_whole_list(const std::vector<std::string>& command) {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < command.size(); ++i) {
    const std::string& word = command[i];
    if (word == "--only" || word == "--limit")
      ++i;  // its value
    else if (!word.starts_with("--only=") && !word.starts_with("--limit="))
      words.push_back(word);
  }
  return words;
}

/// The command of the run, to do this with it. It is there to be copied, so it is never cut.
std::string same_command(const View& view, const std::string& to_do) {
  const auto& info = view.history.info;
  if (!info) return to_do + ": the same command again\n";
  std::error_code error;
  const bool elsewhere = !info->folder.empty() && info->folder != std::filesystem::current_path(error);
  return fmt::format("{}{}: {}\n", to_do, elsewhere ? ", in " + info->folder : "",
                     shell_command(of_whole_list(info->command)));
}

std::string headline(const View& view) {
  const std::string state = state_of(view.history, view.now), where = " on " + host_of(view) + " ";
  if (state == "ended")
    return view.line(
        fmt::format("{}: ended at {} with exit code {} ({})", view.run, time_text(view.history.last_event, view.now),
                    *view.history.exit_code, meaning_of_end(view.history)),
        *view.history.exit_code == 0 ? Colour::green : Colour::yellow);
  if (state == "silent")
    return view.line(fmt::format("{}: silent for {}: its process{}has died, or its disk is gone", view.run,
                                 duration_text(silence_of(view.history, view.now)), where),
                     Colour::red);
  return view.line(fmt::format("{}: {}{}{}", view.run, state, where, started(view)), Colour::bold);
}

std::string time_left(const Outlook& outlook) {
  if (outlook.seconds_left < 0) return "";
  std::string text = ", " + duration_text(outlook.seconds_left) + " left";
  if (outlook.least >= 0 && outlook.most > outlook.least)
    text += fmt::format(" ({} to {})", duration_text(outlook.least), duration_text(outlook.most));
  return text;
}

/// With two significant digits at the least.
std::string rate_text(double clips_per_hour) {
  return fmt::format("{:.{}f} clips/h", clips_per_hour, clips_per_hour < 10 ? 1 : 0);
}

std::string progress(const View& view) {
  const Outlook outlook = outlook_of(view.history, view.now);
  const auto full = static_cast<std::size_t>(std::clamp(outlook.share, 0.0, 1.0) * bar_columns);
  const std::string bar = fmt::format("[{:-<{}}]", std::string(full, '#'), bar_columns);
  const std::string rate = outlook.clips_per_hour > 0 ? ", " + rate_text(outlook.clips_per_hour) : "";
  const std::string text = fmt::format(" {:.0f} %{}{}", outlook.share * 100, time_left(outlook), rate);
  return coloured(bar, Colour::cyan, view.display) + fitted(text, view.display.columns - bar.size()) + "\n";
}

std::string states(const View& view) {
  const ClipCounts counts = count_clips(view.history);
  std::vector<std::string> parts;
  for (const ClipState state : {ClipState::done, ClipState::running, ClipState::waiting, ClipState::failed,
                                ClipState::quarantined, ClipState::cancelled}) {
    const bool is_done = state == ClipState::done;
    if (counts.of(state) == 0 && !is_done) continue;
    const std::string found = is_done && counts.found > 0 ? fmt::format(" ({} found)", counts.found) : "";
    parts.push_back(fmt::format("{} {}{}", counts.of(state), to_string(state), found));
  }
  const RunHistory::Shards& shards = view.history.shards;
  const std::string part = shards.all > 0 ? fmt::format(" of {} of {} shards", shards.begun, shards.all) : "";
  return view.line(fmt::format("{}{}: {}", count_text(counts.total, "clip"), part, join(parts, ", ")));
}

std::string node_of(const View& view, std::size_t rank) {
  const auto& info = view.history.info;
  return info && rank < info->ranks.size() ? info->ranks[rank].host : "";
}

std::vector<Cell> row_of(const View& view, std::size_t number, std::size_t clip_columns) {
  const LiveStatus::Rank& rank = view.history.live->ranks[number];
  std::vector<Cell> row{std::to_string(number), fitted(node_of(view, number), 12)};
  if (rank.lost || rank.clip.empty()) {
    row.emplace_back(rank.lost ? "lost" : "-");
    row.insert(row.end(), {"", "", "", rank.lost || rank.since <= 0 ? "" : duration_text(view.now - rank.since)});
    return row;
  }
  row.emplace_back(fitted(rank.clip, clip_columns));
  row.emplace_back(rank.stage);
  row.emplace_back(rank.steps > 1 ? fmt::format("{}/{}", rank.step, rank.steps) : "");
  row.emplace_back(rank.seconds_per_step > 0 ? fmt::format("{:.3g}", rank.seconds_per_step) : "");
  row.emplace_back(duration_text(view.now - rank.since));
  return row;
}

/// The table of the first `shown` ranks, in which names of clips take at most that many columns.
std::string rank_table(const View& view, std::size_t shown, std::size_t clip_columns) {
  Table table{.key = "ranks",
              .columns = {{"rank", "rank"},
                          {"node", "node", 0, true},
                          {"clip", "clip", 0, true},
                          {"stage", "stage", 0, true},
                          {"step", "step"},
                          {"seconds_per_step", "s/step"},
                          {"since", "since"}}};
  for (std::size_t i = 0; i < shown; ++i) table.rows.push_back(row_of(view, i, clip_columns));
  return to_text(table);
}

/// `most` rows at the most.
std::string ranks(const View& view, std::size_t most) {
  const LiveStatus* const status = current_status(view.history);
  if (!status || status->ranks.empty() || liveness(view.history, view.now) == Liveness::ended) return "";
  constexpr std::size_t least = 12, title = 4;
  const std::size_t shown = std::min(most, status->ranks.size());
  const std::size_t all = view.display.columns + title, others = columns_of_longest(rank_table(view, shown, title));
  std::string text = "\n" + rank_table(view, shown, std::max(least, all - std::min(all, others)));
  if (shown < status->ranks.size()) text += fmt::format("and {} more ranks\n", status->ranks.size() - shown);
  return text;
}

/// "3 clips failed (resource): 0003-a, 0007-b, 0009-c, ..."
std::string failure_line(const View& view, const FailureKind& failure) {
  constexpr std::size_t most = 3;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < std::min(most, failure.clips.size()); ++i)
    names.push_back(view.history.clips[failure.clips[i]].clip.job.name);
  if (failure.clips.size() > most) names.emplace_back("...");
  const bool set_aside = failure.kind == to_string(ClipState::quarantined);
  return view.line(fmt::format("{} {} ({}): {}", count_text(failure.clips.size(), "clip"),
                               set_aside ? "set aside" : "failed", failure.kind, join(names, ", ")),
                   Colour::red);
}

/// Whether clips are left that nobody decided on yet.
bool has_work_left(const View& view) {
  const ClipCounts counts = count_clips(view.history);
  return counts.of(ClipState::waiting) + counts.of(ClipState::running) > 0;
}

std::string failures(const View& view) {
  const std::vector<FailureKind> kinds = failures_by_kind(view.history);
  if (kinds.empty()) return "";
  std::string text = "\n";
  for (const FailureKind& failure : kinds) text += failure_line(view, failure);
  const std::string& name = view.history.clips[kinds.front().clips.front()].clip.job.name;
  text += "To see why: " + shell_command({"wanfarm", "explain", view.run, name}) + "\n";
  if (liveness(view.history, view.now) == Liveness::alive)
    text += "To try again: " + shell_command({"wanfarm", "control", view.run, "retry"}) + "\n";
  else if (!has_work_left(view))
    text += same_command(view, "To try again");
  return text;
}

/// What a user may want to do next.
std::string next_step(const View& view) {
  const std::string state = state_of(view.history, view.now);
  if (state == "paused") return "To go on: " + shell_command({"wanfarm", "control", view.run, "resume"}) + "\n";
  return state == "silent" || (state == "ended" && has_work_left(view)) ? same_command(view, "To go on") : "";
}

std::size_t lines_of(const std::string& text) { return static_cast<std::size_t>(std::ranges::count(text, '\n')); }

}  // namespace

std::string status_text(const RunHistory& history, const std::string& run, double now, const Display& display,
                        const std::optional<SlurmView>& job) {
  const View view{history, run, now, display};
  const std::string in_slurm = job && job->state ? view.line(slurm_line(*job, now)) : "";
  const std::string top = headline(view) + in_slurm + next_step(view) + progress(view) + states(view);
  const std::string bottom = failures(view);
  const std::size_t others = lines_of(top) + lines_of(bottom) + 4;  // empty line, titles, "more ranks", the cursor
  const std::size_t room = display.rows == 0           ? history.clips.size() + 100'000
                           : display.rows > others + 1 ? display.rows - others
                                                       : 1;
  return top + ranks(view, room) + bottom;
}

}  // namespace wf
