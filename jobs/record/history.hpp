// jobs/record/history.hpp: what became of every clip of a run, from the journal and the clip list. Needs no run to be
// alive, and disturbs none.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.hpp"
#include "jobs/record/journal.hpp"
#include "jobs/record/live_status.hpp"
#include "jobs/record/run_info.hpp"

namespace wf {

enum class ClipState { waiting, running, done, failed, quarantined, cancelled };
std::string_view to_string(ClipState state) noexcept;

/// A clip and its past.
struct ClipHistory {
  ListedClip clip;
  ClipState state = ClipState::waiting;
  bool found = false;                       ///< `done`, but by an earlier run.
  int attempts = 0;                         ///< Begun in the current run, also before its processes were started again.
  int rank = -1;                            ///< The leader of the group that has or had it last.
  std::string stage = {};                   ///< Where it is, or was when it ended; "" before its first stage.
  std::string file = {};                    ///< Of the video, when it is done; in the output folder.
  std::string error = {}, error_kind = {};  ///< Of its last failure; "" when there was none.
  double began = 0, ended = 0;              ///< Unix time of its first assignment and of its end; 0: none.
  std::map<std::string, double> seconds = {};  ///< By stage.
  std::vector<std::size_t> events = {};        ///< Indices into RunHistory::journal.events.
};

/// A job of Slurm that a run was started in.
struct RunJob {
  std::string name;  ///< "17", of a task of an array "17_3"; "": there was none.
  int starts = 0;    ///< How often Slurm had started it, from 1.
  bool operator==(const RunJob&) const = default;
};

struct RunHistory {
  Path output;
  std::optional<RunInfo> info;  ///< Empty: the folder's run was made by an older version, or its file is broken.
  JournalContent journal;
  std::optional<LiveStatus> live;
  std::vector<ClipHistory> clips;  ///< In the order of the list.
  std::optional<int> exit_code;    ///< Of the last epoch, if it ended by itself.
  std::string ended;               ///< The text of that end.
  double last_event = 0;           ///< Unix time.
  RunJob job;                      ///< Of the last start; of an array, all tasks: "17".
  /// Of a list that is rendered in shards (shards.hpp): how many have begun, of how many. 0 of 0: it is not.
  struct Shards {
    int begun = 0, all = 0;
  };
  Shards shards;

  /// Index of the clip of that name, number in the list ("7", if no clip has that name) or prefix of a fingerprint (at
  /// least 6 digits). Throws Error(input) that names near ones.
  std::size_t find(std::string_view which) const;
};

/// How many clips are in this state.
std::size_t count_clips(const RunHistory& history, ClipState state);

/// What a reader can tell of the process that writes: its exit is known, or when it was last heard of.
enum class Liveness { alive, ended, silent };
/// `now`: Unix time. Silent: it has not ended, and its status is older than 15 s.
Liveness liveness(const RunHistory& history, double now);

/// Reads a run folder. Throws Error(input), naming the folder, when no run was ever recorded there. A clip of the list
/// that the journal does not say is done, but whose sidecar is there with its fingerprint, is done. Of a folder of
/// shards (shards.hpp) it is the history of all of them.
RunHistory read_history(const Path& output);

/// The histories of the clips from a journal's events. A clip's state is that of the last epoch: what failed before is
/// tried again when the run is started again, and what was done then is found.
std::vector<ClipHistory> clip_histories(const std::vector<ListedClip>& clips, const std::vector<Event>& events);

/// The history of a run that goes on, for commands that look again and again (`status --watch`).
class RunWatch {
 public:
  /// Throws like read_history().
  explicit RunWatch(const Path& output);
  ~RunWatch();
  /// Takes in what is new; costs time in proportion to that.
  void update();
  const RunHistory& history() const;
  /// Ends the watch.
  RunHistory take() &&;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wf
