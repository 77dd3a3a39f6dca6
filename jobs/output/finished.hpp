// jobs/output/finished.hpp: which clips of a list earlier runs have finished. They are known by their fingerprints, not
// by their names, so that a list may be reordered, extended and edited without anything being rendered twice.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "jobs/job.hpp"
#include "jobs/output/publish.hpp"
#include "jobs/output/sidecar.hpp"

namespace wf {

/// What is wrong with the files of a finished clip, whose sidecar lies in `output`; "" if nothing is.
using FilesCheck = std::function<std::string(const Path& output, const Sidecar& sidecar)>;

/// The check that costs nothing: the video is there and has the size that the sidecar records.
std::string check_size(const Path& output, const Sidecar& sidecar);

/// What a clip must have beside its sidecar to be finished, whatever it is called.
struct Wanted {
  std::string codec = {};  ///< of its video; "": any
  bool latents = false;    ///< NAME.h5
  bool frames = false;     ///< NAME/00001.png and so on
};

/// How finished clips are looked for.
struct FinishedSearch {
  FilesCheck check = check_size;
  bool other_names = true;  ///< under names other than the list's as well
  Wanted wanted = {};
};

/// What of a list does not have to be rendered. A clip is an index into the jobs.
struct FinishedClips {
  std::map<std::size_t, Sidecar> found;  ///< sidecars as they are on the disk, so job.name is the name of the files
  std::vector<std::size_t> renamed;      ///< clips of `found` that take the name in the list, each when it is free
  /// Clips with the fingerprint of an earlier clip of the list, which is in `found` or will be rendered: the key's
  /// files are copies of that clip's files.
  std::map<std::size_t, std::size_t> copies;
  std::map<std::size_t, std::string> damaged;  ///< clips that would be finished but for what the check found
  /// Clips that would be finished but for what is wanted and not there: "video in ffv1", "latents", "frames".
  std::map<std::size_t, std::vector<std::string>> lacking;
  /// Clips that will take the place of a finished clip of other values, of which no clip of the list can make use: its
  /// sidecar.
  std::map<std::size_t, Sidecar> replaced;

  /// Whether the clip needs no rendering.
  bool contains(std::size_t clip) const { return found.contains(clip) || copies.contains(clip); }
};

/// Finds the finished clips of a list in the folder. Changes nothing and needs no lock. A broken sidecar is no sidecar.
///
/// A clip under another name than the list's takes the list's name where that is free, unless a user chose the present
/// name and did not choose the new one: then it stays as it is. In one case it has to move: when another clip of the
/// list is going to be rendered under its present name.
///
/// fingerprints: of each job; "" for a job whose seed is not drawn, which cannot be finished.
FinishedClips find_finished(const Path& output, const std::vector<Job>& jobs,
                            const std::vector<std::string>& fingerprints, const FinishedSearch& search = {});

/// The clips that have to be copied when every clip is rendered anew: those with the fingerprint of an earlier clip.
std::map<std::size_t, std::size_t> find_copies(const std::vector<std::string>& fingerprints);

/// Gives the job files of its own with the content of a finished clip (video, latents, frames; hard links where the
/// disk has them), and then a sidecar. Returns that sidecar. Throws Error(storage).
Sidecar copy_clip(const OutputFolder& folder, const Sidecar& finished, const Job& job);

/// Gives a finished clip the job's name. A crash in between leaves the clip finished under one of the names or both.
/// Returns the new sidecar. Throws Error(storage).
Sidecar rename_clip(const OutputFolder& folder, const Sidecar& finished, const Job& job);

}  // namespace wf
