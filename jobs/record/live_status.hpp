// jobs/record/live_status.hpp: OUTPUT/.wanfarm/status.json: how a run stands at this moment, rewritten every five
// seconds, and when its state changes, by rank 0. What has happened stands in the journal; this is what only a living
// process knows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/files.hpp"

namespace wf {

struct LiveStatus {
  std::int64_t epoch = 0;
  double time = 0;         ///< Unix time in seconds when it was written.
  std::string state = {};  ///< "loading", "running", "paused", "draining", "ended"
  std::size_t clips = 0, done = 0, found = 0, failed = 0, quarantined = 0, cancelled = 0;
  std::map<std::string, std::size_t> failures = {};        ///< Clips that failed for good, by kind of error.
  double share = 0;                                        ///< Of the predicted work that is done, 0..1.
  double eta_seconds = -1, eta_least = -1, eta_most = -1;  ///< Until the end; negative: not known.
  double clips_per_hour = 0;                               ///< Of this run so far; 0: none is done yet.
  struct Rank {
    bool lost = false;
    std::string clip = {};   ///< "": it waits.
    std::string stage = {};  ///< "high"
    std::int64_t step = 0, steps = 1;
    double seconds_per_step = 0;  ///< 0: not known.
    double since = 0;             ///< Unix time when it came to this step or stage.
  };
  std::vector<Rank> ranks = {};
};

/// Replaces the file by a rename, without flushing it to the disk. Throws Error(storage).
void write_live_status(const Path& output, const LiveStatus& status);
/// Empty when there is none, or when it is broken.
std::optional<LiveStatus> read_live_status(const Path& output);

}  // namespace wf
