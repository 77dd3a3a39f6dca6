#include "jobs/record/results_tables.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>

#include "base/shared_disk.hpp"
#include "jobs/list/utf8.hpp"

namespace wf {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view csv_header = "index,name,seed,status,seconds,video,error,attempts,rank\n";

/// Writes the file anew, and opens it for rows. What earlier runs left must survive a crash of the node.
AppendFile begin(const OutputFolder& folder, const std::string& file, const std::string& text,
                 bool is_of_earlier_runs) {
  const Path path = folder.output() / file;
  FlushedFolder names(folder.output());
  is_of_earlier_runs ? write_file(path, text, folder.part(file), names) : replace_file(path, text, folder.part(file));
  return AppendFile(path);
}

std::string whole_line(const ClipResult& result) { return json_line(result) + "\n"; }

std::string csv_cell(const std::string& value) {
  if (value.find_first_of(",\"\r\n") == std::string::npos) return value;
  std::string quoted = "\"";
  for (const char c : value) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::string rounded(double seconds) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3f", seconds);
  return text.data();
}

bool is_finished(const ClipResult& result) {
  return result.status == ClipResult::done || result.status == ClipResult::skipped;
}

std::optional<ClipResult::Status> status_from(const std::string& name) {
  for (const auto status :
       {ClipResult::done, ClipResult::skipped, ClipResult::failed, ClipResult::quarantined, ClipResult::cancelled})
    if (to_string(status) == name) return status;
  return {};
}

/// The inverse of json_line(); empty for a line that is not one of a clip.
std::optional<ClipResult> result_from(std::string_view line) {
  try {
    const Json json = Json::parse(line);
    const auto status = status_from(json.at("status").get<std::string>());
    if (!status) return {};
    ClipResult result{.status = *status, .job = {}};
    result.job.name = json.at("name").get<std::string>();
    result.job.index = json.value("index", 0);
    if (const auto seed = json.at("seed").get<std::int64_t>(); seed >= 0) result.job.seed = seed;
    result.attempts = json.value("attempts", 0);
    result.rank = json.value("rank", -1);
    result.fingerprint = json.value("fingerprint", "");
    result.video_file = json.value("file", "");
    result.latents_sha256 = json.value("latents_sha256", "");
    result.frames_sha256 = json.value("frames_sha256", "");
    result.seconds = json.value("seconds", std::map<std::string, double>());
    result.error_kind = json.value("kind", "");
    result.error = json.value("error", "");
    return result;
  } catch (const Json::exception&) {
    return {};
  }
}

/// Calls take(line) for each line that ends.
template <class Take>
void for_each_line(std::string_view text, const Take& take) {
  for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != std::string_view::npos; begin = end + 1)
    take(text.substr(begin, end - begin));
}

std::string text_of_results(const Path& output) {
  const Path file = output / "results.jsonl";
  std::error_code none;
  return std::filesystem::exists(file, none) ? read_file(file) : "";
}

/// The last line of each clip, in their order.
std::vector<ClipResult> results_in(std::string_view text) {
  std::vector<ClipResult> results;
  for_each_line(text, [&results](std::string_view line) {
    if (auto result = result_from(line)) results.push_back(std::move(*result));
  });
  std::unordered_map<std::string_view, std::size_t> last;
  for (std::size_t i = 0; i < results.size(); ++i) last[results[i].job.name] = i;
  std::vector<ClipResult> counting;
  for (std::size_t i = 0; i < results.size(); ++i)
    if (last.at(results[i].job.name) == i) counting.push_back(results[i]);
  return counting;
}

}  // namespace

std::string_view to_string(ClipResult::Status status) noexcept {
  constexpr std::array<std::string_view, 5> names{"done", "skipped", "failed", "quarantined", "cancelled"};
  return names[static_cast<std::size_t>(status)];
}

ClipResult finished_result(ClipResult::Status status, const Sidecar& sidecar, int attempts, int rank) {
  return {.status = status,
          .job = sidecar.job,
          .attempts = attempts,
          .rank = rank,
          .fingerprint = sidecar.fingerprint,
          .video_file = sidecar.video_file,
          .latents_sha256 = sidecar.latents_sha256,
          .frames_sha256 = sidecar.frames_sha256,
          .seconds = sidecar.seconds};
}

ClipResult failed_result(ClipResult::Status status, const Job& job, const Error& error, int attempts, int rank) {
  return {.status = status,
          .job = job,
          .attempts = attempts,
          .rank = rank,
          .error_kind = to_string(error.kind()),
          .error = error.what()};
}

std::string csv_row(const ClipResult& result) {
  const auto status = result.status == ClipResult::skipped ? ClipResult::done : result.status;
  std::string row = result.job.index > 0 ? std::to_string(result.job.index) : "";
  row += "," + csv_cell(result.job.name) + ",";
  row += result.job.seed ? std::to_string(*result.job.seed) : "random";
  row.append(",").append(to_string(status)).append("," + rounded(total_seconds(result.seconds)));
  row += "," + csv_cell(result.video_file) + "," + csv_cell(as_utf8(result.error));
  row += "," + std::to_string(result.attempts) + "," + (result.rank < 0 ? "" : std::to_string(result.rank));
  return row + "\n";
}

/// The texts of errors name paths, which may hold any bytes; JSON has to be UTF-8.
std::string json_line(const ClipResult& result) {
  Json json{{"name", result.job.name}, {"status", to_string(result.status)}};
  if (result.job.index > 0) json["index"] = result.job.index;
  if (is_finished(result)) json["file"] = result.video_file;
  json["seed"] = result.job.seed.value_or(-1);
  if (is_finished(result)) {
    json["fingerprint"] = result.fingerprint;
    json["seconds"] = result.seconds;
    json["latents_sha256"] = result.latents_sha256;
    json["frames_sha256"] = result.frames_sha256;
  }
  if (result.attempts > 0) json["attempts"] = result.attempts;
  if (result.rank >= 0) json["rank"] = result.rank;
  if (!result.error_kind.empty()) json["kind"] = result.error_kind;
  if (!result.error.empty()) json["error"] = result.error;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<ClipResult> read_results(const Path& output) { return results_in(text_of_results(output)); }

ResultsTables::Kept ResultsTables::kept(const Path& output, const std::function<bool(const ClipResult&)>& keeps) {
  Kept kept{std::string(csv_header), ""};
  for (const ClipResult& result : read_results(output)) {
    if (!keeps(result)) continue;
    kept.rows += csv_row(result);
    kept.lines += whole_line(result);
  }
  return kept;
}

ResultsTables::ResultsTables(const OutputFolder& folder, const std::function<bool(const ClipResult&)>& keeps)
    : ResultsTables(folder, kept(folder.output(), keeps)) {}

/// results.jsonl comes last: as long as it is the old one, both can be written anew.
ResultsTables::ResultsTables(const OutputFolder& folder, const Kept& kept)
    : kept_bytes_(kept.lines.size()),
      csv_(begin(folder, "results.csv", kept.rows, !kept.lines.empty())),
      jsonl_(begin(folder, "results.jsonl", kept.lines, !kept.lines.empty())) {}

void ResultsTables::add(const ClipResult& result) {
  csv_.append(csv_row(result));
  jsonl_.append(whole_line(result));
}

ResultCounts read_result_counts(const Path& output, std::uint64_t begin) {
  const std::string text = text_of_results(output);
  ResultCounts counts;
  for (const ClipResult& result :
       results_in(std::string_view(text).substr(std::min<std::uint64_t>(begin, text.size())))) {
    if (is_finished(result)) ++counts.done;
    if (result.status == ClipResult::failed || result.status == ClipResult::quarantined) ++counts.failed;
    if (result.status == ClipResult::cancelled) ++counts.cancelled;
  }
  return counts;
}

}  // namespace wf
