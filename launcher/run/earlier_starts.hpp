// launcher/run/earlier_starts.hpp: what the journal tells the next start of a run. A command of a user is one run,
// however often its ranks are started.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/files.hpp"
#include "jobs/record/event.hpp"

namespace wf {

/// The last attempt at a clip, as the journal tells it.
struct LastAttempt {
  int number = 0;  ///< of the clip in its run, from 1; 0: not known
  int rank = -1;   ///< the leader of the group that had the clip last; -1: not known
  bool operator==(const LastAttempt&) const = default;
};

/// What the earlier starts of a run tell the next one.
struct EarlierStarts {
  // Of this command:
  bool is_restart = false;  ///< its ranks have been started before
  /// By fingerprint: how often ranks were lost while they worked on the clip. Where several clips were at work when all
  /// was lost, each counts for its share.
  std::map<std::string, double> losses;
  std::set<int> unfit_ranks;   ///< ranks that were lost with two different clips
  std::set<std::string> done;  ///< fingerprints of the clips that it has rendered
  bool paused = false;         ///< a user lets no clip begin
  std::string draining = {};   ///< why it was told to stop; "": it was not

  // Of any run of the folder:
  std::set<std::string> cancelled;  ///< fingerprints of the clips that a user cancelled
  std::set<std::string> finished;   ///< fingerprints of the clips that the journal knows to be finished
  /// By fingerprint: the attempt that finished the clip, or else the last one that was begun, for a process can die
  /// after it has finished a clip and before it has told so.
  std::unordered_map<std::string, LastAttempt> attempts;
  std::int64_t last_epoch = 0;  ///< of the journal until now
};

/// id: run_id() of the command; with "" nothing is of this command. Leaves last_epoch to the caller.
EarlierStarts earlier_starts(const std::vector<Event>& events, const std::string& id);

/// What the journal tells this command. Nothing is kept of the events, which take hundreds of megabytes after a long
/// list. Throws Error(input) when the journal cannot be read.
EarlierStarts read_earlier_starts(const Path& output);

}  // namespace wf
