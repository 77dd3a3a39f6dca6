#include "jobs/output/publish.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <unordered_map>

#include "base/check.hpp"
#include "base/fault.hpp"
#include "jobs/list/name.hpp"
#include "jobs/output/drafts.hpp"
#include "jobs/output/fingerprint.hpp"
#include "jobs/output/frame_folder.hpp"

namespace wf {
namespace {

namespace fs = std::filesystem;

using Seeds = std::map<std::string, std::int64_t>;

Path nonce_file(const Path& output) { return hidden_folder(output) / "word"; }

/// Creates the folders that a run needs, and returns the file to lock.
Path create_folders(const Path& output) {
  make_folder(output);
  make_folder(hidden_folder(output) / "work");
  make_folder(hidden_folder(output) / "store");
  make_folder(hidden_folder(output) / "thumbs");
  return hidden_folder(output) / "lock";
}

[[noreturn]] void cannot_be_removed(const Path& path, const std::error_code& error) {
  throw Error(Error::storage, path.string() + ": cannot be removed: " + error.message());
}

void remove_tree(const Path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) cannot_be_removed(path, error);
}

void remove_file(const Path& path) {
  std::error_code error;
  fs::remove(path, error);
  if (error) cannot_be_removed(path, error);
}

/// Removes the frames in a folder, and the folder if nothing else is in it: it may be a user's own that happens to have
/// a clip's name.
void remove_frames(const Path& folder) {
  const std::vector<Path> frames = frames_in(folder);
  for (const Path& frame : frames) remove_file(frame);
  std::error_code error;
  if (!frames.empty() && fs::is_empty(folder, error)) remove_file(folder);
}

/// Removes the draft of a clip that is finished; its sidecar first, without which it is no draft.
void remove_draft(const Path& output, const Sidecar& finished) {
  const std::optional<Sidecar> draft = find_draft(output, finished.job.name);
  if (!draft || draft->fingerprint != finished.fingerprint) return;
  remove_tree(output / draft_file(finished.job.name + ".json"));
  remove_tree(output / draft_file(draft->video_file));
}

std::int64_t draw_seed() {
  std::random_device device;
  std::uniform_int_distribution<std::int64_t> seeds(0, std::numeric_limits<std::int64_t>::max());
  return seeds(device);
}

Path seeds_file(const Path& output) { return hidden_folder(output) / "seeds.json"; }

void set_seed(Job& job, std::int64_t seed) {
  job.seed = seed;
  job.name = with_seed(job.name, seed);
}

Seeds read_seeds(const Path& file) {
  if (!fs::exists(file)) return {};
  const std::string text = read_file(file);
  try {
    return nlohmann::json::parse(text).get<Seeds>();
  } catch (const nlohmann::json::exception& error) {
    throw Error(Error::storage,
                file.string() + ": the drawn seeds cannot be read (remove the file to draw new ones): " + error.what());
  }
}

}  // namespace

Path hidden_folder(const Path& output) { return output / ".wanfarm"; }

std::vector<std::string> files_of_clip(const std::string& name) {
  std::vector<std::string> files;
  for (const char* const ending : {".json", ".mp4", ".mkv", ".y4m", ".h5", ""}) files.push_back(name + ending);
  return files;
}

RunFolder::RunFolder(const Path& output) : OutputFolder(output), lock_(create_folders(output)) { sweep(); }

void RunFolder::sweep() const {
  for (const auto& left : fs::directory_iterator(hidden_folder(output()) / "work")) remove_tree(left.path());
  for (const Path& folder :
       {hidden_folder(output()), hidden_folder(output()) / "store", hidden_folder(output()) / "thumbs"})
    for (const auto& left : fs::directory_iterator(folder))
      if (left.path().extension() == ".part") remove_tree(left.path());
}

Path OutputFolder::part(const std::string& file) const {
  static const std::string process = std::to_string(std::random_device{}());
  return hidden_folder(output_) / "work" / (file + "." + process + ".part");
}
Path OutputFolder::stored_state(const std::string& fingerprint) const {
  return hidden_folder(output_) / "store" / (fingerprint + ".h5");
}
Path OutputFolder::contact_sheet(const std::string& fingerprint, const std::string& ending) const {
  return hidden_folder(output_) / "thumbs" / (fingerprint + "." + ending);
}

std::string OutputFolder::write_nonce() const {
  std::random_device random;
  const std::string nonce = std::to_string(random()) + "-" + std::to_string(random());
  write_file(nonce_file(output_), nonce);
  return nonce;
}

std::string OutputFolder::read_nonce() const {
  std::error_code error;
  const Path file = nonce_file(output_);
  return fs::exists(file, error) ? read_file(file) : "";
}

void OutputFolder::publish(const std::string& file) const {
  const Path from = part(file), to = output_ / file;
  const bool folder = fs::is_directory(from);
  if (folder) check_frame_folder(to);
  remove_tree(output_ / ((folder ? Path(file) : Path(file).replace_extension()).string() + ".json"));
  if (folder) remove_tree(to);  // rename() replaces files, but not folders that contain files
  fault_point("before_rename");
  publish_file(from, to);
  fault_point("after_rename");
}

FileDigest OutputFolder::publish_video(const std::string& file, Earlier earlier, const ScratchFile* scratch) const {
  if (earlier == Earlier::maybe) remove_clip(Path(file).replace_extension().string());
  fault_point("before_rename");
  const Path from = part(file), to = output_ / file;
  FileDigest digest = scratch ? scratch->copy_to(from, to) : name_file(from, to);
  fault_point("after_rename");
  return digest;
}

void OutputFolder::remove_clip(const std::string& name) const {
  for (const std::string& file : files_of_clip(name))
    file == name ? remove_frames(output_ / file) : remove_file(output_ / file);
}

void OutputFolder::finish(const Sidecar& sidecar, Earlier earlier) const {
  const std::string file = sidecar.job.name + ".json";
  write_file(output_ / file, to_json(sidecar), part(file), *names_);
  fault_point("after_sidecar");
  if (earlier == Earlier::nothing) return;
  remove_tree(stored_state(sidecar.fingerprint));
  remove_draft(output_, sidecar);
}

std::vector<std::string> seed_keys(const std::vector<Job>& list) {
  std::vector<std::string> keys;
  std::unordered_map<std::string, int> equal_jobs;
  for (const Job& job : list) {
    std::string key = job.seed ? "" : seedless_fingerprint(job);
    if (!key.empty()) key += "-" + std::to_string(++equal_jobs[key]);
    keys.push_back(std::move(key));
  }
  return keys;
}

std::vector<std::string> take_known_seeds(const Path& output, std::vector<Job>& list) {
  std::vector<std::string> keys = seed_keys(list);
  if (std::ranges::all_of(list, [](const Job& job) { return job.seed.has_value(); })) return keys;
  const Seeds seeds = read_seeds(seeds_file(output));
  for (std::size_t i = 0; i < list.size(); ++i)
    if (const auto seed = seeds.find(keys[i]); !list[i].seed && seed != seeds.end()) set_seed(list[i], seed->second);
  return keys;
}

void RunFolder::draw_seeds(std::vector<Job>& jobs, const std::vector<std::string>& keys) const {
  WF_CHECK(keys.size() == jobs.size());
  const Path file = seeds_file(output());
  Seeds seeds = read_seeds(file);
  const std::size_t known = seeds.size();
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (jobs[i].seed) continue;
    const auto [seed, is_new] = seeds.try_emplace(keys[i], 0);
    if (is_new) seed->second = draw_seed();
    set_seed(jobs[i], seed->second);
  }
  if (seeds.size() != known) write_file(file, nlohmann::json(seeds).dump(1) + "\n");
}

}  // namespace wf
