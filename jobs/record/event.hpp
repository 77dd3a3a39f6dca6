// jobs/record/event.hpp: what can happen in a run, as values: each is a line of its journal.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace wf {

/// One event. Members that an event of its kind does not have keep their default, and are not written.
struct Event {
  /// The names in the journal are those of to_string().
  enum Kind {
    began,        ///< The run was started. text: the run's id; rank: number of ranks; in a job of Slurm also job, and
                  ///< attempt: which start of that job it is.
    found,        ///< An earlier run had finished the clip.
    assigned,     ///< The clip was given to a group. rank: its leader; stage: "text-write", first and last; attempt.
    at_stage,     ///< The rank has come to this stage of the clip. Not flushed: the last ones may be missing.
    handed_over,  ///< The rank has done its stages, and keeps the clip's state for another group. seconds.
    done,         ///< The clip is written. file: the video's name; seconds; attempt.
    failed,       ///< The attempt failed. error: its kind; text; again: whether the clip will be tried again; attempt.
    interrupted,  ///< A drain stopped the clip in `stage`; its state is on the disk.
    lost,         ///< The rank is lost. text: why.
    quarantined,  ///< The clip is set aside: two ranks were lost while they worked on it. text.
    role,         ///< The rank loads another expert. stage: "high" or "low".
    cancelled,    ///< A user wants the clip no more.
    not_cancelled,  ///< A user wanted the clip no more, but it was done by then.
    retried,        ///< A user wants the clip tried again.
    paused,         ///< A user lets no clip begin; those that have begun go on.
    resumed,        ///< Clips begin again.
    draining,       ///< The run stops early. text: why.
    ended,          ///< The run ended by itself. code: its exit code; text: the summary.
  };

  Kind kind = began;
  std::int64_t epoch = 0;        ///< Number of the start of the run in this folder, from 1. Set by the journal.
  std::int64_t number = 0;       ///< Rises within an epoch. Set by the journal.
  double time = 0;               ///< Unix time in seconds, to the millisecond. Set by the journal unless it is given.
  std::string clip = {};         ///< Name of the clip in the list.
  std::string fingerprint = {};  ///< Of the clip.
  int rank = -1;
  std::string stage = {};
  int attempt = 0;                             ///< From 1; 0: none.
  std::map<std::string, double> seconds = {};  ///< By stage.
  std::string file = {};
  std::string error = {};
  std::string text = {};
  std::string job = {};  ///< As users see it: "17", of a task of an array "17_3".
  bool again = false;
  int code = -1;

  bool operator==(const Event&) const = default;
};

std::string_view to_string(Event::Kind kind) noexcept;

/// The event as one line of JSON without a newline, ending in "crc":"8 hex digits"}: CRC-32C of what stands before
/// `,"crc"`. Text that is not UTF-8 is replaced.
std::string to_line(const Event& event);

}  // namespace wf
