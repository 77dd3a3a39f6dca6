// launcher/run/earlier_runs.hpp: what earlier runs left in the output folder for this one: finished clips, and states
// of clips that were stopped. Rank 0 settles it before the run begins.
#pragma once

#include <map>
#include <set>

#include "jobs/output/finished.hpp"
#include "jobs/schedule/stage.hpp"
#include "launcher/options/run_options.hpp"

namespace wf {

/// find_finished() for the jobs of a run. A job whose seed is not drawn yet is not finished; with options.force only
/// copies are found.
FinishedClips finished_clips(const Path& output, const std::vector<Job>& jobs, const Recipe& recipe,
                             const RunOptions& options);

/// What the run renders although there are finished clips of these names, in sentences for people: how many of them
/// have other values, and which; how many lack what is asked for. Empty where there are none.
std::vector<std::string> rendered_again(const FinishedClips& clips, const std::vector<Job>& jobs, const Recipe& recipe);

/// What a run need not do any more. Clips are indices into the jobs.
struct EarlierRuns {
  std::vector<std::string> fingerprints;           ///< of all jobs
  std::map<std::size_t, Sidecar> finished;         ///< sidecars of the clips that are finished
  std::multimap<std::size_t, std::size_t> copies;  ///< clip to be rendered -> clips that become copies of it
  std::map<std::size_t, Stage> stored;             ///< clips that continue in this stage, from their state on disk
  std::vector<std::size_t> on_disk;                ///< clips to be rendered of which something may be on the disk
};

/// Gives finished clips their names in the list, makes the copies whose originals are finished, and logs what the list
/// would not let one expect. done: fingerprints of the clips that earlier starts of this command have rendered, which
/// are finished with options.force as well. Throws Error(storage), and Error(input) when a folder of a user bears the
/// name that a clip's frames would get.
EarlierRuns settle_earlier_runs(const RunFolder& folder, const std::vector<Job>& jobs, const Recipe& recipe,
                                const RunOptions& options, const std::set<std::string>& done = {});

/// The clips that are not to be rendered, in ascending order: finished ones, and copies.
std::vector<std::size_t> not_to_render(const EarlierRuns& earlier);

}  // namespace wf
