#include "launcher/status/slurm_view.hpp"

#include <spdlog/fmt/fmt.h>

#include "launcher/status/text.hpp"

namespace wf {

std::string slurm_line(const SlurmView& view, double now) {
  if (!view.state) return fmt::format("job {}: Slurm says nothing of it", view.job);
  const JobState& job = *view.state;
  std::string text = fmt::format("job {}: {}", view.job, job.state);
  if (!job.reason.empty()) text += fmt::format(" ({})", job.reason);
  if (job.waits() && job.begins) text += ", expected to begin at " + time_text(*job.begins, now);
  if (!job.waits() && !job.has_ended() && job.ends) text += ", ends at " + time_text(*job.ends, now);
  if (job.restarts > 0) text += fmt::format(", {} restart{}", job.restarts, job.restarts > 1 ? "s" : "");
  return text;
}

nlohmann::ordered_json slurm_json(const SlurmView& view) {
  nlohmann::ordered_json json = {{"job", view.job},     {"state", nullptr},  {"reason", nullptr},
                                 {"restarts", nullptr}, {"begins", nullptr}, {"ends", nullptr}};
  if (!view.state) return json;
  const JobState& job = *view.state;
  json["state"] = job.state;
  if (!job.reason.empty()) json["reason"] = job.reason;
  json["restarts"] = job.restarts;
  if (job.begins) json["begins"] = *job.begins;
  if (job.ends) json["ends"] = *job.ends;
  return json;
}

std::string job_of(const RunHistory* history, const std::optional<SubmittedJob>& submitted) {
  const bool is_newer = submitted && (!history || history->last_event < submitted->submitted);
  if (is_newer) return submitted->id;
  const bool may_go_on = history && history->exit_code.value_or(1) != 0;
  return may_go_on ? history->job.name : "";
}

std::optional<SlurmView> look_at_job(const Path& output, const RunHistory* history) {
  const std::string job = job_of(history, read_submitted_job(output));
  if (job.empty()) return {};
  return SlurmView{job, job_state(job)};
}

}  // namespace wf
