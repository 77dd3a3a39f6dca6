#include "jobs/record/history.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_set>
#include <utility>

#include "base/error.hpp"
#include "base/shared_disk.hpp"
#include "base/text.hpp"
#include "jobs/list/suggest.hpp"
#include "jobs/output/sidecar.hpp"
#include "jobs/record/clip_past.hpp"
#include "jobs/record/event_text.hpp"
#include "jobs/record/shards.hpp"

namespace wf {
namespace {

constexpr std::size_t least_fingerprint_digits = 6;

std::vector<std::size_t> clips_where(const RunHistory& history, const auto& fits) {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < history.clips.size(); ++i)
    if (fits(history.clips[i].clip)) found.push_back(i);
  return found;
}

/// The clips that `which` names in the first of the three ways that fits any.
std::vector<std::size_t> clips_named(const RunHistory& history, std::string_view which) {
  auto found = clips_where(history, [&](const ListedClip& clip) { return clip.job.name == which; });
  if (found.empty())
    found = clips_where(history, [&](const ListedClip& clip) { return std::to_string(clip.job.index) == which; });
  if (found.empty() && which.size() >= least_fingerprint_digits)
    found = clips_where(history, [&](const ListedClip& clip) { return clip.fingerprint.starts_with(which); });
  return found;
}

[[noreturn]] void throw_unknown(const RunHistory& history, std::string_view which) {
  std::vector<std::string_view> names;
  for (const ClipHistory& clip : history.clips) names.push_back(clip.clip.job.name);
  std::string hint(nearest_word(which, names));
  if (hint.empty()) {
    const auto containing =
        std::ranges::find_if(names, [&](std::string_view name) { return name.find(which) != name.npos; });
    if (containing != names.end()) hint = *containing;
  }
  throw Error(Error::input, "no clip '" + std::string(which) + "' in the list of " + history.output.string() +
                                (hint.empty() ? "; it has " + std::to_string(names.size()) + " clips, such as " +
                                                    std::string(names.empty() ? "none" : names.front())
                                              : "; did you mean " + hint + "?"));
}

[[noreturn]] void throw_ambiguous(const RunHistory& history, std::string_view which,
                                  const std::vector<std::size_t>& found) {
  constexpr std::size_t most = 4;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < std::min(found.size(), most); ++i) names.push_back(history.clips[found[i]].clip.job.name);
  if (found.size() > most) names.emplace_back("...");
  throw Error(Error::input, "'" + std::string(which) + "' is more than one clip: " + join(names, ", "));
}

void believe(ClipHistory& clip, const Sidecar& sidecar) {
  if (sidecar.fingerprint != clip.clip.fingerprint) return;
  if (clip.state != ClipState::done) clip.found = clip.attempts == 0;
  clip.state = ClipState::done;
  clip.file = sidecar.video_file;
  clip.seconds = sidecar.seconds;
}

/// Compares the clips with the sidecars, which prove what is done: a process can die after it has written a sidecar and
/// before it has written the event; and what an earlier run finished may have got another name since, or be gone.
void believe_sidecars(RunHistory& history, const ClipPast& past) {
  const auto present = names_in(history.output);
  for (std::size_t i = 0; i < history.clips.size(); ++i) {
    ClipHistory& clip = history.clips[i];
    const std::string name = clip.clip.job.name + ".json";
    const std::string known = Path(clip.file).stem().string() + ".json";
    if (clip.state == ClipState::done && (!past.is_from_earlier(i) || (name == known && present.contains(name))))
      continue;
    if (past.is_from_earlier(i) && !present.contains(known)) clip.state = ClipState::waiting;
    if (!present.contains(name)) continue;
    try {
      believe(clip, read_sidecar(history.output / name));
    } catch (const Error&) {  // it proves nothing
    }
  }
}

void take_in(RunHistory& history, const Event& event) {
  history.last_event = event.time;
  const bool ended = event.kind == Event::ended;
  history.exit_code = ended ? std::optional(event.code) : std::nullopt;
  history.ended = ended ? event.text : "";
  if (event.kind == Event::began) history.job = {event.job, event.job.empty() ? 0 : event.attempt};
}

std::vector<int> leaders_of(const RunInfo& info) {
  std::vector<int> leaders;
  for (const RunInfo::Rank& rank : info.ranks) leaders.push_back(rank.leader);
  return leaders;
}

}  // namespace

std::string_view to_string(ClipState state) noexcept {
  constexpr std::array<std::string_view, 6> names{"waiting", "running", "done", "failed", "quarantined", "cancelled"};
  return names[static_cast<std::size_t>(state)];
}

std::size_t RunHistory::find(std::string_view which) const {
  const std::vector<std::size_t> found = clips_named(*this, which);
  if (found.empty()) throw_unknown(*this, which);
  if (found.size() > 1) throw_ambiguous(*this, which, found);
  return found.front();
}

std::size_t count_clips(const RunHistory& history, ClipState state) {
  return static_cast<std::size_t>(std::ranges::count(history.clips, state, &ClipHistory::state));
}

Liveness liveness(const RunHistory& history, double now) {
  constexpr double silence = 15;
  if (history.exit_code) return Liveness::ended;
  const bool current = history.live && history.live->epoch == history.journal.last_epoch;
  const double heard = std::max(history.last_event, current ? history.live->time : 0);
  return now - heard > silence ? Liveness::silent : Liveness::alive;
}

struct RunWatch::State {
  explicit State(const Path& output) : reader(output) { history.output = output; }
  void update();
  void update_own();
  bool update_shards();
  void read_list();

  JournalReader reader;
  RunHistory history;
  std::optional<ClipPast> past;                       ///< Of history.clips.
  std::size_t taken_in = 0;                           ///< Events of the journal that `past` knows.
  std::int64_t epoch = 0;                             ///< At which the list of clips was read.
  std::filesystem::file_time_type info_written = {};  ///< When run.json was written, behind that list.
  std::map<int, std::unique_ptr<RunWatch>> shards;    ///< By number: those that have begun.
};

void RunWatch::State::read_list() {
  history.info = read_run_info(history.output);
  history.clips = untouched(read_clip_list(history.output));
  past.emplace(history.clips, history.info ? leaders_of(*history.info) : std::vector<int>());
  taken_in = 0;
}

void RunWatch::State::update() {
  if (history.journal.last_epoch > 0 || !update_shards()) update_own();
}

/// False when the folder is that of a run, or no shard has begun.
bool RunWatch::State::update_shards() {
  std::error_code error;
  if (std::filesystem::exists(journal_file(history.output), error)) return false;
  std::vector<ListShard> begun;
  std::vector<const RunHistory*> parts;
  for (const ListShard shard : shards_in(history.output)) {
    const Path folder = shard_folder(history.output, shard);
    const std::uintmax_t written = std::filesystem::file_size(journal_file(folder), error);
    if (error || written == 0) continue;  // it has not begun
    std::unique_ptr<RunWatch>& watch = shards[shard.number];
    watch ? watch->update() : void(watch = std::make_unique<RunWatch>(folder));
    begun.push_back(shard);
    parts.push_back(&watch->history());
  }
  if (parts.empty()) return false;
  history = joined(history.output, begun, parts);
  return true;
}

void RunWatch::State::update_own() {
  JournalContent& journal = history.journal;
  const bool goes_on = reader.update(journal);
  if (journal.last_epoch == 0)
    throw Error(Error::input, history.output.string() +
                                  ": no run was ever recorded here (wanfarm render LIST --output " +
                                  history.output.string() + " starts one)");
  std::error_code none;
  const auto written = std::filesystem::last_write_time(run_info_file(history.output), none);
  const bool new_list =
      std::exchange(epoch, journal.last_epoch) != journal.last_epoch || info_written != written || !goes_on;
  info_written = written;
  if (new_list) read_list();
  for (; taken_in < journal.events.size(); ++taken_in) {
    past->add(journal.events[taken_in]);
    take_in(history, journal.events[taken_in]);
  }
  if (new_list) believe_sidecars(history, *past);
  history.live = read_live_status(history.output);
}

RunWatch::RunWatch(const Path& output) : state_(std::make_unique<State>(output)) { update(); }
RunWatch::~RunWatch() = default;
void RunWatch::update() { state_->update(); }
const RunHistory& RunWatch::history() const { return state_->history; }
RunHistory RunWatch::take() && { return std::move(state_->history); }

RunHistory read_history(const Path& output) { return RunWatch(output).take(); }

}  // namespace wf
