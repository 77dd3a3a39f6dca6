#include "launcher/run/results.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/machine.hpp"
#include "cluster/launch/start_ranks.hpp"
#include "jobs/record/results_tables.hpp"

namespace wf {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* summary_file = "summary.json";

Path path_of_summary(const Path& output) { return hidden_folder(output) / summary_file; }

Json json_of(const Summary& s) {
  Json json{{"done", s.done}, {"skipped", s.skipped}, {"failed", s.failed}};
  if (s.quarantined > 0) json["quarantined"] = s.quarantined;
  if (s.cancelled > 0) json["cancelled"] = s.cancelled;
  json["left"] = s.left;
  json["seconds"] = s.seconds;
  if (!s.held.empty()) json["held"] = s.held;
  return json;
}

std::string on_one_line(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::size_t all_clips(const Summary& s) { return s.done + s.skipped + s.failed + s.quarantined + s.cancelled + s.left; }

}  // namespace

int exit_code(const Summary& summary) {
  if (summary.left > 0) return summary.held.empty() ? 75 : 4;
  return summary.failed + summary.quarantined > 0 ? 1 : 0;
}

std::string to_text(const Summary& s) {
  std::string text = fmt::format("{} rendered, {} finished before, {} failed", s.done, s.skipped, s.failed);
  if (s.quarantined > 0) text += fmt::format(", {} set aside", s.quarantined);
  if (s.cancelled > 0) text += fmt::format(", {} cancelled", s.cancelled);
  return text + fmt::format(", {} left", s.left);
}

std::string summary_line(const Summary& summary) {
  Json json = json_of(summary);
  json["exit_code"] = exit_code(summary);
  return on_one_line({{"summary", std::move(json)}});
}

std::string run_id() {
  const std::string id = id_of_command();
  return id.empty() ? process_identity() : id;
}

void write_summary(const OutputFolder& folder, const Summary& summary, std::optional<int> exit_code,
                   std::uint64_t results_begin) {
  Json json{{"run", run_id()}, {"clips", all_clips(summary)}, {"results_begin", results_begin}};
  json.update(json_of(summary));
  if (exit_code) json["exit_code"] = *exit_code;
  replace_file(path_of_summary(folder.output()), on_one_line(json) + "\n", folder.part(summary_file));
}

/// The summary says how many clips there are, and the results, to which each end of a clip is added at once, how many
/// of them have ended.
std::optional<RunCounts> read_run_counts(const Path& output) noexcept {
  try {
    const Json summary = Json::parse(read_file(path_of_summary(output)));
    if (summary.at("run") != run_id()) return {};
    const ResultCounts ended = read_result_counts(output, summary.at("results_begin").get<std::uint64_t>());
    const auto clips = summary.at("clips").get<std::size_t>();
    return RunCounts{ended.done, ended.failed, clips - std::min(clips, ended.done + ended.failed + ended.cancelled)};
  } catch (const std::exception&) {
    return {};
  }
}

}  // namespace wf
