// jobs/output/publish.hpp: the output folder of a run, OUTPUT. While a clip is being made, its files are in
// OUTPUT/.wanfarm/work as NAME.ending.NUMBER.part, with a number of the process that makes it; publish() renames them
// into OUTPUT, then finish() adds the sidecar NAME.json. OUTPUT itself never contains a partial file.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/file_lock.hpp"
#include "base/files.hpp"
#include "base/shared_disk.hpp"
#include "jobs/job.hpp"
#include "jobs/output/sidecar.hpp"

namespace wf {

/// OUTPUT/.wanfarm, for what is not for users: work, states, records.
Path hidden_folder(const Path& output);

/// The names in OUTPUT of all files that a clip of this name may have, its sidecar first: videos of every codec,
/// latents, and the folder of its frames.
std::vector<std::string> files_of_clip(const std::string& name);

/// Whether an earlier run, or an earlier attempt of this one, may have left something of a clip in the folder: a file
/// of its name, a stored state, a draft. Where nothing can be there, nothing is looked for, which on a disk that many
/// nodes share is most of what a short clip would cost.
enum class Earlier { nothing, maybe };

/// The output folder as all processes of a run use it, while one of them holds its lock (RunFolder). Any thread may
/// call any function. Functions that write throw Error(storage).
class OutputFolder {
 public:
  explicit OutputFolder(const Path& output) : output_(output), names_(std::make_shared<FlushedFolder>(output)) {}

  const Path& output() const noexcept { return output_; }
  /// .wanfarm/work/FILE.NUMBER.part: the work file of OUTPUT/FILE. Each process has a number of its own, for two may
  /// make one clip: a rank that counts as lost may still be alive.
  Path part(const std::string& file) const;
  /// .wanfarm/store/FINGERPRINT.h5: the state of an unfinished clip, found again whatever the list calls the clip.
  Path stored_state(const std::string& fingerprint) const;
  /// .wanfarm/thumbs/FINGERPRINT.ENDING: a small picture of the clip's frames. It may be missing.
  Path contact_sheet(const std::string& fingerprint, const std::string& ending) const;

  /// Renames part(FILE) to OUTPUT/FILE, replacing an older one. FILE is NAME.ending, or NAME if it is a folder, or one
  /// of these in a folder of OUTPUT. An older sidecar NAME.json is removed first, so that the clip does not count as
  /// finished before finish(). Throws Error(input) when a folder OUTPUT/NAME is not of a clip's frames
  /// (frame_folder.hpp).
  void publish(const std::string& file) const;
  /// The same for the video NAME.ending, which is the first of a clip's files to be published: where earlier ones may
  /// lie there, it begins with remove_clip(NAME). Returns what is in the video. The folder is flushed by finish(),
  /// which has to follow: until then a sidecar may outlive a video in a crash of the node, and find_finished() does not
  /// believe it. scratch: the video is there, not in part(FILE).
  FileDigest publish_video(const std::string& file, Earlier earlier, const ScratchFile* scratch = nullptr) const;
  /// The last step of a clip: writes NAME.json, and removes the clip's stored state and its draft (drafts.hpp).
  void finish(const Sidecar& sidecar, Earlier earlier = Earlier::maybe) const;

  /// Removes all files of a clip of this name, in OUTPUT or, for drafts/NAME, in a folder of it. The sidecar goes
  /// first, so that at no moment one vouches for files of which some are gone. Of the folder NAME only frames are
  /// removed.
  void remove_clip(const std::string& name) const;

  /// Writes a new nonce into the folder and returns it. Another process that reads the same nonce sees the same folder.
  std::string write_nonce() const;
  /// The nonce in the folder, or "" when there is none.
  std::string read_nonce() const;

 private:
  Path output_;
  std::shared_ptr<FlushedFolder> names_;  ///< of the output folder
};

/// Under which key in OUTPUT/.wanfarm/seeds.json the seed of each job of a list is kept: a hash of all its other
/// values, so that a reordered list keeps its seeds, and a number that tells equal jobs apart by their order in the
/// whole list. "" for a job whose seed is given.
std::vector<std::string> seed_keys(const std::vector<Job>& list);

/// Gives the jobs of a whole list the random seeds that earlier runs drew in the folder, and their names what stands
/// for "{seed}". To be called before a part of the list is selected, by name for example. Returns seed_keys(list).
/// Changes nothing in the folder, and needs no lock. Throws Error(storage) when seeds.json is broken.
std::vector<std::string> take_known_seeds(const Path& output, std::vector<Job>& list);

/// The output folder of a run, locked by this process until destruction. Not thread-safe.
class RunFolder : public OutputFolder {
 public:
  /// Creates OUTPUT and OUTPUT/.wanfarm/{work,store,thumbs}, locks them, and removes what an earlier run left
  /// (sweep()). States in store/ stay, because clips continue from them. Throws Error(environment) when another run
  /// holds the lock.
  explicit RunFolder(const Path& output);

  /// Removes what killed processes left unfinished: everything in work/, and other *.part in .wanfarm. To be called
  /// when no rank of this run writes any more. Throws Error(storage).
  void sweep() const;

  /// Gives every job with a random seed its seed, and replaces "{seed}" in its name. keys: of each job, from
  /// seed_keys() of the whole list. Missing seeds are drawn, and written before any clip starts. Throws Error(storage)
  /// when seeds.json is broken.
  void draw_seeds(std::vector<Job>& jobs, const std::vector<std::string>& keys) const;

 private:
  FileLock lock_;
};

}  // namespace wf
