// jobs/publish.hpp: from work files to final names. While a clip is made, its files lie in OUTPUT/.wanfarm/work as
// NAME.ending.part; publish() renames them into OUTPUT, the sidecar last. Nothing partial ever lies in OUTPUT itself.
#pragma once

#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "cluster/error.hpp"
#include "cluster/files.hpp"
#include "jobs/job.hpp"
#include "jobs/sidecar.hpp"

namespace wf {

/// The sidecar of a finished clip with this fingerprint: NAME.json is in `output`, says this fingerprint, and its video
/// has the recorded size. Otherwise empty: the clip is rendered (again). A broken sidecar counts as none. Needs no
/// lock.
std::optional<Sidecar> finished_clip(const Path& output, const Job& job, const std::string& fingerprint);

/// Where clips are made and published, in the output folder that some process holds as its RunFolder. For any process of
/// the run, and any thread.
class OutputFolder {
 public:
  explicit OutputFolder(const Path& output) : output_(output) {}

  const Path& output() const noexcept { return output_; }
  Path part(const std::string& file) const;   ///< .wanfarm/work/FILE.part
  Path store(const std::string& name) const;  ///< .wanfarm/store/NAME.h5

  /// finished_clip() in this folder.
  std::optional<Sidecar> finished(const Job& job, const std::string& fingerprint) const {
    return finished_clip(output_, job, fingerprint);
  }
  /// Renames FILE.part to OUTPUT/FILE for one file or folder of a clip; an older one is replaced. FILE is NAME.ending,
  /// or NAME for a folder. An older sidecar NAME.json is removed first: from here on until finish() the clip is not
  /// done.
  void publish(const std::string& file) const;
  /// The last step of a clip: writes NAME.json, removes its stored state.
  void finish(const Sidecar& sidecar) const;

  /// A word that a process writes for the others of its run (a new one each time), and what stands there: proof that
  /// they see the same folder. Empty: no word is seen.
  std::string leave_word() const;
  std::string seen_word() const;

 private:
  Path output_;
};

/// The output folder of a run, held by this process until destruction. For one thread.
///
/// OUTPUT/results.csv tells the run so far: index,name,seed,status,seconds,video,error; one line a clip in the order of
/// completion, status done or failed. It is begun anew by each run, so a line torn by a kill does not last; sidecars
/// are the truth.
class RunFolder : public OutputFolder {
 public:
  /// Creates OUTPUT and OUTPUT/.wanfarm/{work,store}, takes the run lock (environment when another run holds it: exit
  /// 3), removes what an earlier run left in work/ and begins results.csv. Stored Denoising states in store/ stay: they
  /// are continued from.
  explicit RunFolder(const Path& output);

  // Lines of results.csv.
  void record_finished(const Sidecar& sidecar);
  void record_failed(const Job& job, const Error& error);  ///< for good

  /// `random` seeds, drawn once: reads .wanfarm/seeds.json, draws what is missing, writes it before any clip starts.
  /// Keyed by everything else about the job, so a reordered list keeps its seeds (equal jobs are told apart by their
  /// order).
  /// "{seed}" in names is completed. Throws storage when seeds.json is broken.
  void settle_seeds(std::vector<Job>& jobs) const;

 private:
  void add_line(const Job& job, const std::string& status, double seconds, const std::string& video,
                const std::string& error);

  FileLock lock_;
  std::ofstream results_;
};

}  // namespace wf
