#include "launcher/run/slurm_job.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "base/clock.hpp"
#include "base/log.hpp"

namespace wf {
namespace {

constexpr int most_failures = 3;  // in a row: a controller that is started again answers within minutes

/// Whether it begins as ours do: "142/248".
bool is_ours(const std::string& comment) {
  const std::size_t slash = comment.find('/');
  const auto is_number = [](std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
  };
  if (slash == comment.npos) return false;
  return is_number(comment.substr(0, slash)) && is_number(comment.substr(slash + 1, comment.find(',') - slash - 1));
}

}  // namespace

std::string progress_comment(const LiveStatus& status) {
  const std::size_t lost = status.failed + status.quarantined;
  std::string text = fmt::format("{}/{}", status.done, status.clips);
  if (lost > 0) text += fmt::format(", {} failed", lost);
  if (status.state != "running") return text + ", " + status.state;
  const auto minutes = static_cast<std::int64_t>(status.eta_seconds / 60 + 0.5);
  return status.eta_seconds < 0 ? text : text + fmt::format(", eta {}:{:02} h", minutes / 60, minutes % 60);
}

SlurmJob::SlurmJob(OwnJob job, double reserve, SlurmAccess access)
    : job_(std::move(job)),
      access_(std::move(access)),
      reserve_(reserve),
      thread_([this](const std::stop_token& stop) { keep_in_touch(stop); }) {}

SlurmJob::~SlurmJob() {
  thread_.request_stop();
  thread_.join();
  write_comment();
}

void SlurmJob::show(const LiveStatus& status) {
  std::string comment = progress_comment(status);
  const std::scoped_lock lock(mutex_);
  comment_ = std::move(comment);
  if (std::exchange(run_state_, status.state) == status.state) return;
  has_news_ = true;
  changed_.notify_all();
}

std::string SlurmJob::why_stop(double now) const {
  const std::scoped_lock lock(mutex_);
  if (!ends_ || now < *ends_ - reserve_) return "";
  return fmt::format("job {} ends at {}", job_.name, local_time(*ends_, "%H:%M:%S"));
}

void SlurmJob::keep_in_touch(const std::stop_token& stop) {
  constexpr int calls_for_each_question = 5;
  for (int call = 0; !stop.stop_requested(); ++call) {
    if (call % calls_for_each_question == 0) ask();
    write_comment();
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop, access_.period, [this] { return std::exchange(has_news_, false); });
  }
}

void SlurmJob::ask() {
  const std::optional<JobState> state = access_.state(job_.id);
  if (!state) return;
  const std::scoped_lock lock(mutex_);
  if (!ends_ && state->ends) reserve_ = std::min(reserve_, (*state->ends - unix_time()) / 2);
  ends_ = state->ends;
  if (!may_comment_) may_comment_ = state->comment.empty() || is_ours(state->comment);
}

void SlurmJob::write_comment() {
  std::string comment;
  {
    const std::scoped_lock lock(mutex_);
    if (!may_comment_.value_or(false) || comment_ == written_) return;
    comment = comment_;
  }
  const bool taken = access_.set_comment(job_.id, comment);
  const std::scoped_lock lock(mutex_);
  if (taken) written_ = comment;
  failures_ = taken ? 0 : failures_ + 1;
  if (failures_ < most_failures) return;
  may_comment_ = false;
  spdlog::debug("Slurm does not take a comment of job {}", job_.name);
}

}  // namespace wf
