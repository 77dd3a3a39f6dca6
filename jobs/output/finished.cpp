#include "jobs/output/finished.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/error.hpp"
#include "base/shared_disk.hpp"
#include "jobs/list/name.hpp"
#include "jobs/output/frame_folder.hpp"

namespace wf {
namespace {

namespace fs = std::filesystem;

/// Sidecars by fingerprint, and those of equal fingerprints by name.
using SidecarsByFingerprint = std::unordered_map<std::string, std::map<std::string, Sidecar>>;

bool is_there(const Path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

Path sidecar_file(const Path& output, const std::string& name) { return output / (name + ".json"); }

/// Empty for a file that is not a sidecar, or a broken one: its clip is then rendered again.
std::optional<Sidecar> try_to_read(const Path& file) {
  try {
    return read_sidecar(file);
  } catch (const Error&) {
    return {};
  }
}

SidecarsByFingerprint sidecars_in(const Path& output, const std::set<std::string>& but) {
  SidecarsByFingerprint found;
  std::error_code error;
  for (fs::directory_iterator entry(output, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().stem().string();
    if (entry->path().extension() != ".json" || but.contains(name)) continue;
    std::optional<Sidecar> sidecar = try_to_read(entry->path());
    if (sidecar && sidecar->job.name == name) found[sidecar->fingerprint].emplace(name, std::move(*sidecar));
  }
  return found;
}

/// What is wanted of a clip and not there.
std::vector<std::string> lacks(const Path& output, const Sidecar& sidecar, const Wanted& wanted) {
  std::vector<std::string> missing;
  const std::string& name = sidecar.job.name;
  if (!wanted.codec.empty() && sidecar.codec != wanted.codec) missing.push_back("video in " + wanted.codec);
  if (wanted.latents && !is_there(output / (name + ".h5"))) missing.emplace_back("latents");
  if (wanted.frames && !is_there(output / name / "00001.png")) missing.emplace_back("frames");
  return missing;
}

bool is_named_by_user(const Job& job) { return job.name != default_name(job.index, job.prompt, job.seed); }

/// The clips that are finished, whatever they are called.
class Finder {
 public:
  Finder(const Path& output, const std::vector<Job>& jobs, const std::vector<std::string>& fingerprints,
         const FinishedSearch& search)
      : output_(output), jobs_(jobs), fingerprints_(fingerprints), search_(search) {}

  FinishedClips find() {
    find_own_names();
    if (search_.other_names && result_.found.size() < jobs_.size()) find_other_names();
    for (const auto& [clip, original] : find_copies(fingerprints_))
      if (!result_.found.contains(clip)) result_.copies.emplace(clip, original);
    const auto is_finished = [&](const auto& entry) { return result_.contains(entry.first); };
    std::erase_if(result_.damaged, is_finished);
    std::erase_if(result_.lacking, is_finished);
    leave_those_of_the_list();
    return std::move(result_);
  }

 private:
  void find_own_names() {
    const std::unordered_set<std::string> names = names_in(output_);
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      const Path file = sidecar_file(output_, jobs_[i].name);
      if (fingerprints_[i].empty() || !names.contains(file.filename().string())) continue;
      std::optional<Sidecar> sidecar = try_to_read(file);
      if (!sidecar) continue;
      if (sidecar->fingerprint == fingerprints_[i])
        add(i, std::move(*sidecar));
      else
        result_.replaced.emplace(i, std::move(*sidecar));
    }
  }

  /// Of the clips that are in the way, those that this list has under another name are not replaced: they make room.
  void leave_those_of_the_list() {
    std::set<std::string> kept;
    for (const auto& [clip, sidecar] : result_.found) kept.insert(sidecar.job.name);
    std::erase_if(result_.replaced, [&](const auto& entry) {
      return result_.found.contains(entry.first) || kept.contains(entry.second.job.name);
    });
  }

  void find_other_names() {
    std::set<std::string> taken;
    for (const auto& [clip, sidecar] : result_.found) taken.insert(jobs_[clip].name);
    SidecarsByFingerprint others = sidecars_in(output_, taken);
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      const auto equal = others.find(fingerprints_[i]);
      while (equal != others.end() && !result_.found.contains(i) && !equal->second.empty())
        add(i, std::move(equal->second.extract(equal->second.begin()).mapped()));
    }
  }

  void add(std::size_t clip, Sidecar sidecar) {
    if (std::vector<std::string> missing = lacks(output_, sidecar, search_.wanted); !missing.empty())
      return void(result_.lacking[clip] = std::move(missing));
    const std::string fault = search_.check(output_, sidecar);
    if (fault.empty())
      result_.found.emplace(clip, std::move(sidecar));
    else
      result_.damaged[clip] = sidecar.video_file + ": " + fault;
  }

  const Path& output_;
  const std::vector<Job>& jobs_;
  const std::vector<std::string>& fingerprints_;
  const FinishedSearch& search_;
  FinishedClips result_;
};

/// Which finished clips take the names that the list has for them, and in which order.
class Renames {
 public:
  Renames(const Path& output, const std::vector<Job>& jobs, const FinishedClips& clips)
      : output_(output), jobs_(jobs), clips_(clips) {
    for (const auto& [clip, sidecar] : clips.found)
      if (sidecar.job.name != jobs[clip].name) misnamed_.emplace(sidecar.job.name, clip);
    find_forced();
    for (const auto& [name, clip] : misnamed_)
      if (forced_.contains(clip) || !is_named_by_user(present(clip)) || is_named_by_user(jobs[clip]))
        waiting_.emplace(jobs[clip].name, clip);
  }

  std::vector<std::size_t> in_order() {
    for (const auto& [name, clip] : std::map(waiting_))
      if (waiting_.contains(name) && is_free(clip)) rename_chain(clip);
    for (const auto& [name, clip] : std::map(waiting_))
      if (waiting_.contains(name) && may_replace(clip)) rename_chain(clip);
    return std::move(order_);
  }

 private:
  const Job& present(std::size_t clip) const { return clips_.found.at(clip).job; }

  /// A clip is forced to move when its present name is needed: for a clip that will be rendered, or for another clip
  /// that is forced.
  void find_forced() {
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      if (clips_.found.contains(i)) continue;
      auto in_the_way = misnamed_.find(jobs_[i].name);
      while (in_the_way != misnamed_.end() && forced_.insert(in_the_way->second).second)
        in_the_way = misnamed_.find(jobs_[in_the_way->second].name);
    }
  }

  bool is_free(std::size_t clip) const {
    const std::string& name = jobs_[clip].name;
    const std::string video = name + Path(clips_.found.at(clip).video_file).extension().string();
    return !is_there(sidecar_file(output_, name)) && !is_there(output_ / video);
  }

  /// A forced clip replaces a file that is not of this list, as rendering the clip would.
  bool may_replace(std::size_t clip) const {
    if (!forced_.contains(clip)) return false;
    const auto other = misnamed_.find(jobs_[clip].name);
    return other == misnamed_.end() || !waiting_.contains(jobs_[other->second].name);
  }

  /// Renames the clip, then the clip that waits for the name that it leaves, and so on.
  void rename_chain(std::size_t clip) {
    for (auto next = waiting_.find(jobs_[clip].name); next != waiting_.end();) {
      order_.push_back(next->second);
      const std::string freed = present(next->second).name;
      waiting_.erase(next);
      next = waiting_.find(freed);
    }
  }

  const Path& output_;
  const std::vector<Job>& jobs_;
  const FinishedClips& clips_;
  std::map<std::string, std::size_t> misnamed_;  ///< finished clips with files of other names than the list's, by these
  std::set<std::size_t> forced_;
  std::map<std::string, std::size_t> waiting_;  ///< clips to be renamed, by their new names
  std::vector<std::size_t> order_;
};

/// Makes FILE.part from an existing file or folder: by hard links, or by copies where the disk has none.
void duplicate(const Path& from, const Path& part) {
  std::error_code error;
  fs::remove_all(part, error);
  fs::copy(from, part, fs::copy_options::recursive | fs::copy_options::create_hard_links, error);
  if (error) {
    fs::remove_all(part, error);
    fs::copy(from, part, fs::copy_options::recursive, error);
  }
  if (error) throw Error(Error::storage, from.string() + ": cannot be copied: " + error.message());
}

/// The files that a finished clip has beside its sidecar, as endings after its name: frames, latents, video. A folder
/// of its name that holds anything else is a user's.
std::vector<std::string> endings(const Path& output, const Sidecar& sidecar) {
  std::vector<std::string> endings;
  if (is_frame_folder(output / sidecar.job.name)) endings.emplace_back();
  for (const std::string& ending : {std::string(".h5"), Path(sidecar.video_file).extension().string()})
    if (is_there(output / (sidecar.job.name + ending))) endings.push_back(ending);
  return endings;
}

}  // namespace

std::string check_size(const Path& output, const Sidecar& sidecar) {
  std::error_code error;
  const std::uintmax_t bytes = fs::file_size(output / sidecar.video_file, error);
  if (error) return error.message();
  return bytes == sidecar.video_bytes ? ""
                                      : "has " + std::to_string(bytes) + " bytes, and had " +
                                            std::to_string(sidecar.video_bytes) + " when it was written";
}

FinishedClips find_finished(const Path& output, const std::vector<Job>& jobs,
                            const std::vector<std::string>& fingerprints, const FinishedSearch& search) {
  FinishedClips clips = Finder(output, jobs, fingerprints, search).find();
  clips.renamed = Renames(output, jobs, clips).in_order();
  return clips;
}

std::map<std::size_t, std::size_t> find_copies(const std::vector<std::string>& fingerprints) {
  std::map<std::size_t, std::size_t> copies;
  std::unordered_map<std::string, std::size_t> first;
  for (std::size_t i = 0; i < fingerprints.size(); ++i) {
    if (fingerprints[i].empty()) continue;
    const auto [original, is_first] = first.try_emplace(fingerprints[i], i);
    if (!is_first) copies.emplace(i, original->second);
  }
  return copies;
}

Sidecar copy_clip(const OutputFolder& folder, const Sidecar& finished, const Job& job) {
  std::vector<std::string> files;
  for (const std::string& ending : endings(folder.output(), finished)) {
    files.push_back(job.name + ending);
    duplicate(folder.output() / (finished.job.name + ending), folder.part(files.back()));
  }
  folder.remove_clip(job.name);
  for (const std::string& file : files) folder.publish(file);
  Sidecar copy = finished;
  copy.job = job;
  copy.video_file = job.name + Path(finished.video_file).extension().string();
  folder.finish(copy);
  return copy;
}

Sidecar rename_clip(const OutputFolder& folder, const Sidecar& finished, const Job& job) {
  Sidecar renamed = copy_clip(folder, finished, job);
  folder.remove_clip(finished.job.name);
  return renamed;
}

}  // namespace wf
