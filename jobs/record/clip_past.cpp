#include "jobs/record/clip_past.hpp"

#include <utility>

namespace wf {
namespace {

void end(ClipHistory& clip, ClipState state, const Event& event) {
  clip.state = state;
  clip.ended = event.time;
}

void fail(ClipHistory& clip, ClipState state, const Event& event) {
  end(clip, state, event);
  clip.error = event.text;
  clip.error_kind = event.error;
}

/// Whether the event holds for the copies of its clip, too: those behind it in the list.
bool ends_clip(const Event& event) {
  switch (event.kind) {
    case Event::done:
    case Event::quarantined:
    case Event::cancelled:
    case Event::retried:
      return true;
    case Event::failed:
      return !event.again;
    default:
      return false;
  }
}

}  // namespace

std::vector<ClipHistory> untouched(std::vector<ListedClip> clips) {
  std::vector<ClipHistory> histories(clips.size());
  for (std::size_t i = 0; i < clips.size(); ++i) histories[i].clip = std::move(clips[i]);
  return histories;
}

ClipPast::ClipPast(std::vector<ClipHistory>& clips, std::vector<int> leaders)
    : clips_(clips), leaders_(std::move(leaders)), more_(clips.size()) {
  for (std::size_t i = clips.size(); i-- > 0;) {
    const auto [first, is_new] = by_fingerprint_.try_emplace(clips[i].clip.fingerprint, i);
    more_[i].next_copy = is_new ? npos : std::exchange(first->second, i);
    by_name_[clips[i].clip.job.name] = i;
  }
}

/// npos: of an older list.
std::size_t ClipPast::clip_of(const Event& event) const {
  if (event.clip.empty()) return npos;
  const auto named = by_name_.find(event.clip);
  const auto has_fingerprint = [&](std::size_t clip) { return clips_[clip].clip.fingerprint == event.fingerprint; };
  if (named != by_name_.end() && (event.fingerprint.empty() || has_fingerprint(named->second))) return named->second;
  const auto found = by_fingerprint_.find(event.fingerprint);
  return found == by_fingerprint_.end() ? npos : found->second;
}

void ClipPast::assign(const Event& event, std::size_t index) {
  ClipHistory& clip = clips_[index];
  clip.state = ClipState::running;
  clip.rank = event.rank;
  clip.found = false;
  if (clip.began == 0) clip.began = event.time;
  clip.ended = 0;
  if (std::exchange(more_[index].attempt, event.attempt) != event.attempt || event.attempt == 0) ++clip.attempts;
}

void ClipPast::finish(const Event& event, ClipHistory& clip) const {
  end(clip, ClipState::done, event);
  clip.found = event.kind == Event::found;
  clip.file = event.file;
  const bool is_copy = event.clip != clip.clip.job.name && by_name_.contains(event.clip);
  if (is_copy) clip.file = clip.clip.job.name + Path(event.file).extension().string();
}

/// What the event means for a clip.
void ClipPast::apply(const Event& event, std::size_t index) {
  ClipHistory& clip = clips_[index];
  more_[index].done_earlier = false;
  if (!event.stage.empty() && event.kind != Event::assigned) clip.stage = event.stage;
  for (const auto& [stage, seconds] : event.seconds) clip.seconds[stage] = seconds;
  switch (event.kind) {
    case Event::assigned:
      return assign(event, index);
    case Event::found:
    case Event::done:
      return finish(event, clip);
    case Event::failed:
      return fail(clip, event.again ? ClipState::waiting : ClipState::failed, event);
    case Event::quarantined:
      return fail(clip, ClipState::quarantined, event);
    case Event::cancelled:
      return end(clip, ClipState::cancelled, event);
    case Event::retried:
      more_[index].attempt = 0;
      [[fallthrough]];
    case Event::handed_over:
    case Event::interrupted:
      return void(clip.state = ClipState::waiting);
    default:
      return;
  }
}

/// Every clip that is not done waits again. What happened in earlier starts of the same run stays known.
void ClipPast::begin_epoch(const Event& event) {
  epoch_ = event.epoch;
  const bool same_run = event.kind == Event::began && event.text == run_ && !run_.empty();
  run_ = event.kind == Event::began ? event.text : "";
  for (std::size_t i = 0; i < clips_.size(); ++i) {
    ClipHistory& clip = clips_[i];
    more_[i].attempt = 0;
    more_[i].done_earlier = clip.state == ClipState::done;
    if (clip.state == ClipState::done) clip.found = clip.found || !same_run;
    if (clip.state != ClipState::done) clip.state = ClipState::waiting;
    if (same_run) continue;
    clip.attempts = 0;
    if (clip.state == ClipState::done) continue;
    clip.began = clip.ended = 0;
    clip.error.clear();
    clip.error_kind.clear();
  }
}

int ClipPast::leader_of(int rank) const {
  return rank >= 0 && static_cast<std::size_t>(rank) < leaders_.size() ? leaders_[static_cast<std::size_t>(rank)]
                                                                       : rank;
}

/// Clips that the group of this leader (-1: any) has not ended wait for another one.
void ClipPast::let_wait_again(int leader) {
  for (ClipHistory& clip : clips_)
    if (clip.state == ClipState::running && (leader < 0 || clip.rank == leader)) clip.state = ClipState::waiting;
}

void ClipPast::add(const Event& event) {
  const std::size_t index = events_++;
  if (event.epoch != epoch_) begin_epoch(event);
  if (event.kind == Event::lost) let_wait_again(leader_of(event.rank));
  if (event.kind == Event::ended) let_wait_again(-1);
  std::size_t clip = clip_of(event);
  for (; clip != npos; clip = ends_clip(event) ? more_[clip].next_copy : npos) {
    apply(event, clip);
    clips_[clip].events.push_back(index);
  }
}

std::vector<ClipHistory> clip_histories(const std::vector<ListedClip>& clips, const std::vector<Event>& events) {
  std::vector<ClipHistory> histories = untouched(clips);
  ClipPast past(histories);
  for (const Event& event : events) past.add(event);
  return histories;
}

}  // namespace wf
