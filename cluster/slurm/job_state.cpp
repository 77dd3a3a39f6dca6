#include "cluster/slurm/job_state.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <sstream>
#include <string_view>
#include <utility>

#include "base/exit_codes.hpp"
#include "cluster/slurm/cluster_info.hpp"
#include "cluster/slurm/program.hpp"
#include "cluster/slurm/slurm_time.hpp"

namespace wf {
namespace {

constexpr std::array<std::string_view, 6> waiting{"PENDING",   "CONFIGURING",  "REQUEUED",
                                                  "SUSPENDED", "REQUEUE_HOLD", "SPECIAL_EXIT"};
constexpr std::array<std::string_view, 5> at_work{"RUNNING", "COMPLETING", "RESIZING", "SIGNALING", "STAGE_OUT"};

template <class States>
bool is_among(const States& states, const std::string& state) {
  return std::ranges::find(states, state) != states.end();
}

/// The job of one line.
std::optional<JobState> state_in(const std::string& line) {
  JobState job{.state = scontrol_value(line, "JobState"), .reason = scontrol_value(line, "Reason")};
  if (job.state.empty()) return {};
  if (job.reason == "None") job.reason.clear();
  std::sscanf(scontrol_value(line, "ExitCode").c_str(), "%d:%d", &job.code, &job.signal);
  std::sscanf(scontrol_value(line, "Restarts").c_str(), "%d", &job.restarts);
  job.begins = parse_slurm_moment(scontrol_value(line, "StartTime"));
  job.ends = parse_slurm_moment(scontrol_value(line, "EndTime"));
  if (const std::string comment = scontrol_value(line, "Comment"); comment != "(null)") job.comment = comment;
  return job;
}

/// How far a job is from a good end: the exit code of one that has ended, more for one that has not.
int distance(const JobState& job) {
  constexpr int above_exit_codes = 256;
  if (job.has_ended()) return exit_code_of(job);
  return above_exit_codes + (job.waits() ? 0 : 1);
}

}  // namespace

bool JobState::waits() const { return is_among(waiting, state); }

bool JobState::has_ended() const { return !waits() && !is_among(at_work, state); }

std::optional<JobState> parse_job_state(const std::string& text) {
  std::istringstream lines(text);
  std::optional<JobState> worst;
  for (std::string line; std::getline(lines, line);) {
    std::optional<JobState> job = state_in(line);
    if (job && (!worst || distance(*job) > distance(*worst))) worst = std::move(job);
  }
  return worst;
}

std::optional<JobState> job_state(const std::string& job) {
  return parse_job_state(
      answer_of({"env", "-u", "SLURM_TIME_FORMAT", "timeout", "10", "scontrol", "show", "job", "--oneliner", job}).out);
}

int exit_code_of(const JobState& job) {
  if (job.code != 0) return job.code;
  return job.state == "COMPLETED" ? 0 : stopped_with_work_left;
}

}  // namespace wf
