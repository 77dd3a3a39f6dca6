#include "jobs/output/publish.hpp"

#include <cstdio>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <unordered_map>

#include "base/fault.hpp"
#include "jobs/list/name.hpp"
#include "jobs/list/utf8.hpp"
#include "jobs/output/fingerprint.hpp"

namespace wf {
namespace {

namespace fs = std::filesystem;

using Seeds = std::map<std::string, std::int64_t>;

Path hidden(const Path& output) { return output / ".wanfarm"; }
Path nonce_file(const Path& output) { return hidden(output) / "word"; }

/// Creates the folders that a run needs, and returns the file to lock.
Path create_folders(const Path& output) {
  make_folder(output);
  make_folder(hidden(output) / "work");
  make_folder(hidden(output) / "store");
  return hidden(output) / "lock";
}

void remove_tree(const Path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) throw Error(Error::storage, path.string() + ": cannot be removed: " + error.message());
}

/// A CSV cell (RFC 4180), quoted where necessary.
std::string csv_cell(const std::string& value) {
  if (value.find_first_of(",\"\r\n") == std::string::npos) return value;
  std::string quoted = "\"";
  for (const char c : value) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::string rounded(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", seconds);
  return text;
}

double total(const std::map<std::string, double>& seconds) {
  double sum = 0;
  for (const auto& [stage, time] : seconds) sum += time;
  return sum;
}

std::int64_t draw_seed() {
  std::random_device device;
  std::uniform_int_distribution<std::int64_t> seeds(0, std::numeric_limits<std::int64_t>::max());
  return seeds(device);
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

RunFolder::RunFolder(const Path& output) : OutputFolder(output), lock_(create_folders(output)) {
  for (const auto& left : fs::directory_iterator(hidden(output) / "work")) remove_tree(left.path());
  const Path part = this->part("results.csv");
  write_file(part, "index,name,seed,status,seconds,video,error\n");
  publish_file(part, output / "results.csv");
  results_.open(output / "results.csv", std::ios::app | std::ios::binary);
}

Path OutputFolder::part(const std::string& file) const { return hidden(output_) / "work" / (file + ".part"); }
Path OutputFolder::stored_state(const std::string& fingerprint) const {
  return hidden(output_) / "store" / (fingerprint + ".h5");
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

void RunFolder::record_finished(const Sidecar& sidecar) {
  add_line(sidecar.job, "done", total(sidecar.seconds), sidecar.video_file, "");
}

void OutputFolder::publish(const std::string& file) const {
  const Path from = part(file), to = output_ / file;
  const bool folder = fs::is_directory(from);
  remove_tree(output_ / ((folder ? Path(file) : Path(file).stem()).string() + ".json"));
  if (folder) remove_tree(to);  // rename() replaces files, but not folders that contain files
  fault_point("before_rename");
  publish_file(from, to);
  fault_point("after_rename");
}

void OutputFolder::finish(const Sidecar& sidecar) const {
  const std::string file = sidecar.job.name + ".json";
  write_file(part(file), to_json(sidecar));
  publish_file(part(file), output_ / file);
  fault_point("after_sidecar");
  remove_tree(stored_state(sidecar.fingerprint));
}

void RunFolder::record_failed(const Job& job, const Error& error) { add_line(job, "failed", 0, "", error.what()); }

void RunFolder::add_line(const Job& job, const std::string& status, double seconds, const std::string& video,
                         const std::string& error) {
  results_ << std::to_string(job.index) + "," + csv_cell(job.name) + "," +
                  (job.seed ? std::to_string(*job.seed) : "random") + "," + status + "," + rounded(seconds) + "," +
                  csv_cell(video) + "," + csv_cell(as_utf8(error)) + "\n"
           << std::flush;
  if (!results_) throw Error(Error::storage, (output() / "results.csv").string() + ": cannot be written");
}

void RunFolder::draw_seeds(std::vector<Job>& jobs) const {
  const Path file = hidden(output()) / "seeds.json";
  Seeds seeds = read_seeds(file);
  const std::size_t known = seeds.size();
  std::unordered_map<std::string, int> equal_jobs;
  for (Job& job : jobs) {
    if (job.seed) continue;
    const std::string key = seedless_fingerprint(job);
    const auto [seed, is_new] = seeds.try_emplace(key + "-" + std::to_string(++equal_jobs[key]), 0);
    if (is_new) seed->second = draw_seed();
    job.seed = seed->second;
    job.name = with_seed(job.name, *job.seed);
  }
  if (seeds.size() != known) write_file(file, nlohmann::json(seeds).dump(1) + "\n");
}

}  // namespace wf
