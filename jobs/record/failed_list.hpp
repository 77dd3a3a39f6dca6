// jobs/record/failed_list.hpp: OUTPUT/failed.yaml: the clips of a run that failed, were set aside or cancelled, as a
// prompt list, to be edited and rendered.
#pragma once

#include <cstddef>
#include <limits>
#include <map>
#include <string>

#include "base/files.hpp"
#include "jobs/model_source.hpp"
#include "jobs/output/publish.hpp"
#include "jobs/record/results_tables.hpp"

namespace wf {

/// The list as YAML: model, LoRAs and output with absolute paths, then each clip with its error as a comment above, its
/// name, prompt and seed, and every other value that is not the built-in one. read_job_list() makes jobs with the same
/// fingerprints of it. A path that is not UTF-8 cannot stand in a list: a comment tells the flags to give instead. A
/// name that no list may give (too long, with a seed added) is left out, and the clip gets its default name.
///
/// clips: by their number in the run, in whose order they are listed.
std::string failed_list_text(const std::map<std::size_t, ClipResult>& clips, const ModelSource& model,
                             const Path& output);

/// Whether this list is OUTPUT/failed.yaml.
bool is_failed_list(const Path& list, const Path& output);

/// The file during a run. Not thread-safe. Functions that write throw Error(storage). `now`: seconds of any clock that
/// never goes back.
class FailedList {
 public:
  /// list: the prompt list of the run, which may be the file itself. Then it is left alone as long as clips of it
  /// remain to be rendered, so that no clip drops out of it.
  FailedList(const OutputFolder& folder, const ModelSource& model, const Path& list);

  void add(std::size_t clip, const ClipResult& result);
  /// The clip is tried again.
  void remove(std::size_t clip);
  /// Writes what has changed, but only every few seconds, for a long list takes long to write.
  void write_if_due(double now);
  /// The run is over: writes the list, or removes the file if no clip is to be listed. complete: no clip of the run's
  /// prompt list remains to be rendered.
  void finish(bool complete);

 private:
  void write();

  const OutputFolder& folder_;
  ModelSource model_;
  Path file_;
  bool is_the_runs_list_;
  std::map<std::size_t, ClipResult> clips_;
  bool changed_ = false;
  double written_ = -std::numeric_limits<double>::infinity();
};

}  // namespace wf
