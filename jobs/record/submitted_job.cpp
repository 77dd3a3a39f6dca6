#include "jobs/record/submitted_job.hpp"

#include <nlohmann/json.hpp>

#include "jobs/output/publish.hpp"

namespace wf {
namespace {

Path job_file(const Path& output) { return hidden_folder(output) / "job.json"; }

}  // namespace

void write_submitted_job(const Path& output, const SubmittedJob& job) {
  make_folder(hidden_folder(output));
  write_file(job_file(output), nlohmann::ordered_json{{"id", job.id}, {"submitted", job.submitted}}.dump() + "\n");
}

std::optional<SubmittedJob> read_submitted_job(const Path& output) {
  std::error_code error;
  if (!std::filesystem::exists(job_file(output), error)) return {};
  try {
    const auto json = nlohmann::json::parse(read_file(job_file(output)));
    return SubmittedJob{json.at("id").get<std::string>(), json.at("submitted").get<double>()};
  } catch (const std::exception&) {  // cut short, or by another program
    return {};
  }
}

}  // namespace wf
