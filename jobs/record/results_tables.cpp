#include "jobs/record/results_tables.hpp"

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "jobs/list/utf8.hpp"

namespace wf {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view csv_header = "index,name,seed,status,seconds,video,error,attempts,rank\n";

/// Empties the file, and opens it for rows.
AppendFile begin(const OutputFolder& folder, const std::string& file, std::string_view header) {
  const Path path = folder.output() / file;
  replace_file(path, header, folder.part(file));
  return AppendFile(path);
}

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
  std::string row = std::to_string(result.job.index) + "," + csv_cell(result.job.name) + ",";
  row += result.job.seed ? std::to_string(*result.job.seed) : "random";
  row.append(",").append(to_string(status)).append("," + rounded(total_seconds(result.seconds)));
  row += "," + csv_cell(result.video_file) + "," + csv_cell(as_utf8(result.error));
  row += "," + std::to_string(result.attempts) + "," + (result.rank < 0 ? "" : std::to_string(result.rank));
  return row + "\n";
}

/// The texts of errors name paths, which may hold any bytes; JSON has to be UTF-8.
std::string json_line(const ClipResult& result) {
  Json json{{"name", result.job.name}, {"status", to_string(result.status)}};
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

ResultsTables::ResultsTables(const OutputFolder& folder)
    : csv_(begin(folder, "results.csv", csv_header)), jsonl_(begin(folder, "results.jsonl", "")) {}

void ResultsTables::add(const ClipResult& result) {
  csv_.append(csv_row(result));
  jsonl_.append(json_line(result) + "\n");
}

ResultCounts read_result_counts(const Path& output) {
  const Path file = output / "results.jsonl";
  std::error_code none;
  if (!std::filesystem::exists(file, none)) return {};
  std::unordered_map<std::string, std::string> status_of_name;
  const std::string text = read_file(file);
  for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const Json json = Json::parse(text.begin() + static_cast<std::ptrdiff_t>(begin),
                                  text.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    if (json.contains("name") && json.contains("status")) status_of_name[json["name"]] = json["status"];
  }
  ResultCounts counts;
  for (const auto& [name, status] : status_of_name) {
    if (status == "done" || status == "skipped") ++counts.done;
    if (status == "failed" || status == "quarantined") ++counts.failed;
    if (status == "cancelled") ++counts.cancelled;
  }
  return counts;
}

}  // namespace wf
