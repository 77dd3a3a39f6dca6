// jobs/record/shards.hpp: a list that several runs render at once, each a shard of it, in one output folder:
//   OUTPUT/shard-1-of-4  OUTPUT/shard-2-of-4  ...
// Each is the output folder of a run of its own, with its own lock, journal and results. What reads OUTPUT (status,
// explain, report, preview) sees all of them as one run.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "jobs/record/history.hpp"

namespace wf {

/// The part I of N of a list: `--shard I/N`.
struct ListShard {
  int number = 1, count = 1;  ///< 1 <= number <= count
  bool operator==(const ListShard&) const = default;
};

/// Reads "2/4". Throws Error(input) for anything but 1 <= I <= N <= 10000.
ListShard parse_shard(const std::string& text);

/// OUTPUT/shard-2-of-4
Path shard_folder(const Path& output, ListShard shard);

/// The shards whose folders are in OUTPUT, by count and number.
std::vector<ListShard> shards_in(const Path& output);

/// The output folder of the run that has the clip, whose history may be that of all shards in `output`.
Path folder_of(const Path& output, const ClipHistory& clip);

/// Throws Error(input), saying what to do, when a run with this shard, or without one, would render again what OUTPUT
/// has in another division: shards of another count, a whole list, or shards for a run of the whole list.
void check_division(const Path& output, const std::optional<ListShard>& shard);

/// The histories of shards, some of which may not have begun, as that of one run in `output`: clips in the list's
/// order, files from `output` on, ranks numbered through. Events are in the order of time, with one `began`, and an
/// `ended` when all shards have ended. It has ended when each shard has begun and ended, or with work left (75) when
/// none is at work and some have not begun.
RunHistory joined(const Path& output, const std::vector<ListShard>& shards,
                  const std::vector<const RunHistory*>& parts);

}  // namespace wf
