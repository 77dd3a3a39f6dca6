#include "jobs/record/shards.hpp"

#include <algorithm>
#include <cstdio>
#include <set>
#include <tuple>
#include <utility>

#include "base/error.hpp"
#include "base/exit_codes.hpp"
#include "base/text.hpp"
#include "jobs/record/event_text.hpp"

namespace wf {
namespace {

constexpr int most_shards = 10'000;

std::string name_of(ListShard shard) {
  return "shard-" + std::to_string(shard.number) + "-of-" + std::to_string(shard.count);
}

/// Both numbers of such a text, and nothing else in it.
std::optional<ListShard> scan(const std::string& text, const char* format) {
  ListShard shard;
  int end = 0;
  if (std::sscanf(text.c_str(), format, &shard.number, &shard.count, &end) != 2) return {};
  const bool is_whole = end == static_cast<int>(text.size());
  if (!is_whole || shard.number < 1 || shard.number > shard.count || shard.count > most_shards) return {};
  return shard;
}

/// How many ranks the shard's run has had at most.
int ranks_of(const RunHistory& history) {
  std::size_t ranks = std::max<std::size_t>(history.info ? history.info->ranks.size() : 1, 1);
  if (history.live) ranks = std::max(ranks, history.live->ranks.size());
  for (const Event& event : history.journal.events)
    ranks =
        std::max<std::size_t>(ranks, static_cast<std::size_t>(std::max(event.rank, 0)) + (event.kind != Event::began));
  return static_cast<int>(ranks);
}

/// Builds the history of all shards from theirs.
class Joiner {
 public:
  Joiner(const Path& output, const std::vector<ListShard>& shards, const std::vector<const RunHistory*>& parts)
      : shards_(shards), parts_(parts) {
    history_.output = output;
    for (const RunHistory* const part : parts) {
      offsets_.push_back(ranks_);
      ranks_ += ranks_of(*part);
    }
  }

  RunHistory result() {
    join_ends();
    join_events();
    for (std::size_t i = 0; i < parts_.size(); ++i) join_clips(i);
    std::ranges::stable_sort(history_.clips, {}, [](const ClipHistory& clip) { return clip.clip.job.index; });
    join_info();
    join_status();
    return std::move(history_);
  }

 private:
  void join_ends() {
    bool all_ended = true;
    int worst = 0;
    for (const RunHistory* const part : parts_) {
      all_ended = all_ended && part->exit_code;
      worst = std::max(worst, part->exit_code.value_or(0));
      if (part->last_event >= history_.last_event) history_.ended = part->ended, history_.job = part->job;
      history_.last_event = std::max(history_.last_event, part->last_event);
    }
    const bool all_begun = static_cast<int>(parts_.size()) == shards_.front().count;
    if (all_ended) history_.exit_code = all_begun ? worst : std::max(worst, stopped_with_work_left);
    history_.job.name = history_.job.name.substr(0, history_.job.name.find('_'));
    history_.shards = {static_cast<int>(parts_.size()), shards_.front().count};
  }

  /// Of the beginnings of shards one is kept, so that readers see one run.
  bool is_kept(const Event& event, std::size_t left) {
    if (event.kind == Event::began) return !std::exchange(has_begun_, true);
    return event.kind != Event::ended || (history_.exit_code && left == 0);
  }

  void join_events() {
    std::vector<std::tuple<double, std::size_t, std::size_t>> order;  // time, shard, index there
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      const std::vector<Event>& events = parts_[i]->journal.events;
      places_.emplace_back(events.size());
      for (std::size_t k = 0; k < events.size(); ++k) order.emplace_back(events[k].time, i, k);
      for (std::size_t k = 1; k < events.size(); ++k)  // a clock that was put back leaves a shard's order alone
        std::get<0>(order[order.size() - events.size() + k]) =
            std::max(events[k].time, std::get<0>(order[order.size() - events.size() + k - 1]));
    }
    std::ranges::sort(order);
    for (std::size_t n = 0; n < order.size(); ++n) {
      const auto [time, i, k] = order[n];
      Event event = parts_[i]->journal.events[k];
      if (!is_kept(event, order.size() - 1 - n)) continue;
      event.epoch = event.kind == Event::began ? 0 : event.epoch;
      event.rank = event.kind == Event::began ? ranks_ : event.rank < 0 ? -1 : event.rank + offsets_[i];
      places_[i][k] = history_.journal.events.size();
      history_.journal.events.push_back(std::move(event));
    }
    for (const RunHistory* const part : parts_) {
      history_.journal.damaged += part->journal.damaged;
      history_.journal.fenced += part->journal.fenced;
      history_.journal.repeated += part->journal.repeated;
    }
  }

  void join_clips(std::size_t i) {
    for (ClipHistory clip : parts_[i]->clips) {
      if (clip.rank >= 0) clip.rank += offsets_[i];
      if (!clip.file.empty()) clip.file = name_of(shards_[i]) + "/" + clip.file;
      std::vector<std::size_t> events;
      for (const std::size_t event : clip.events)
        if (places_[i][event]) events.push_back(*places_[i][event]);
      clip.events = std::move(events);
      history_.clips.push_back(std::move(clip));
    }
  }

  void join_info() {
    std::set<std::string> hosts;
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      if (!parts_[i]->info) continue;
      RunInfo info = *parts_[i]->info;
      hosts.insert(info.host);
      for (RunInfo::Rank& rank : info.ranks) rank.leader += offsets_[i];
      if (!history_.info) history_.info = info, history_.info->ranks.clear(), history_.info->epoch = 0;
      history_.info->started = std::min(history_.info->started, info.started);
      std::vector<RunInfo::Rank>& ranks = history_.info->ranks;
      ranks.resize(static_cast<std::size_t>(offsets_[i]));
      ranks.insert(ranks.end(), info.ranks.begin(), info.ranks.end());
    }
    if (history_.info) history_.info->host = join({hosts.begin(), hosts.end()}, ", ");
  }

  /// The end in sight is that of the shard that takes longest.
  void join_status() {
    LiveStatus all{.epoch = 0};
    double work = 0;
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      const std::optional<LiveStatus>& live = parts_[i]->live;
      all.ranks.resize(static_cast<std::size_t>(offsets_[i]));
      if (!live || live->epoch != parts_[i]->journal.last_epoch) continue;
      add(all, *live);
      work += live->share * static_cast<double>(live->clips);
    }
    if (all.time <= 0) return;
    all.share = all.clips > 0 ? work / static_cast<double>(all.clips) : 0;
    history_.live = std::move(all);
  }

  static void add(LiveStatus& all, const LiveStatus& live) {
    if (!live.state.empty() && (all.state.empty() || all.state == "ended" || live.state == "running"))
      all.state = live.state;
    all.time = std::max(all.time, live.time);
    all.clips += live.clips, all.done += live.done, all.found += live.found, all.failed += live.failed;
    all.quarantined += live.quarantined, all.cancelled += live.cancelled;
    for (const auto& [kind, count] : live.failures) all.failures[kind] += count;
    all.eta_seconds = std::max(all.eta_seconds, live.eta_seconds);
    all.eta_least = std::max(all.eta_least, live.eta_least);
    all.eta_most = std::max(all.eta_most, live.eta_most);
    all.clips_per_hour += live.clips_per_hour;
    all.ranks.insert(all.ranks.end(), live.ranks.begin(), live.ranks.end());
  }

  const std::vector<ListShard>& shards_;
  const std::vector<const RunHistory*>& parts_;
  RunHistory history_;
  std::vector<int> offsets_;  ///< Number of the first rank of each shard.
  int ranks_ = 0;
  bool has_begun_ = false;
  std::vector<std::vector<std::optional<std::size_t>>> places_;  ///< Of each shard's events among all; empty: dropped.
};

}  // namespace

ListShard parse_shard(const std::string& text) {
  if (const auto shard = scan(text, "%d/%d%n")) return *shard;
  throw Error(Error::input, "a shard is I/N with 1 <= I <= N <= " + std::to_string(most_shards) +
                                ", such as 2/4, got '" + text + "'");
}

Path shard_folder(const Path& output, ListShard shard) { return output / name_of(shard); }

std::vector<ListShard> shards_in(const Path& output) {
  std::vector<ListShard> shards;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(output, error), end; !error && entry != end; entry.increment(error))
    if (const auto shard = scan(entry->path().filename().string(), "shard-%d-of-%d%n")) shards.push_back(*shard);
  std::ranges::sort(shards, {}, [](ListShard shard) { return std::pair(shard.count, shard.number); });
  return shards;
}

Path folder_of(const Path& output, const ClipHistory& clip) {
  const Path first = clip.file.empty() ? Path() : *Path(clip.file).begin();
  return scan(first.string(), "shard-%d-of-%d%n") ? output / first : output;
}

void check_division(const Path& output, const std::optional<ListShard>& shard) {
  const std::vector<ListShard> there = shards_in(output);
  std::error_code error;
  if (!shard && !there.empty())
    throw Error(Error::input, output.string() + " holds shards of " + std::to_string(there.front().count) +
                                  ": render them with --shard I/" + std::to_string(there.front().count) +
                                  ", or give another --output");
  if (shard && std::filesystem::exists(journal_file(output), error))
    throw Error(Error::input,
                output.string() + " holds a run of the whole list: go on without --shard, or give another --output");
  for (const ListShard other : there)
    if (shard && other.count != shard->count)
      throw Error(Error::input, output.string() + " holds shards of " + std::to_string(other.count) + ", not of " +
                                    std::to_string(shard->count) + ": use the same number, or give another --output");
}

RunHistory joined(const Path& output, const std::vector<ListShard>& shards,
                  const std::vector<const RunHistory*>& parts) {
  return Joiner(output, shards, parts).result();
}

}  // namespace wf
