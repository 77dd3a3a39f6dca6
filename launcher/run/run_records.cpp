#include "launcher/run/run_records.hpp"

#include <iostream>

#include "base/log.hpp"
#include "cluster/launch/terminal.hpp"

namespace wf {

RunRecords::RunRecords(const std::vector<Job>& jobs, RunFolder& folder, const Predicted& predicted,
                       const RunOptions& options, int ranks)
    : jobs_(jobs),
      folder_(folder),
      options_(options),
      progress_(jobs, predicted, terminal_of_stderr() && !options.quiet, options.verbose ? ranks : 0) {}

void RunRecords::finished_before(const std::map<std::size_t, Sidecar>& clips) {
  for (const auto& [clip, sidecar] : clips) {
    progress_.skip(clip);
    folder_.record_finished(sidecar);
    if (options_.json) std::cout << skipped_line(sidecar) << std::endl;
  }
  summary_.skipped = clips.size();
  if (!clips.empty()) spdlog::info("{} of {} clips are finished already", clips.size(), jobs_.size());
}

void RunRecords::done(std::size_t clip, const std::string& json) {
  const Sidecar sidecar = sidecar_from(json);
  folder_.record_finished(sidecar);
  progress_.end(clip);
  ++summary_.done;
  double seconds = 0;
  for (const auto& [stage, spent] : sidecar.seconds) seconds += spent;
  spdlog::info("{} in {:.1f} s ({} of {})", sidecar.video_file, seconds, summary_.done + summary_.skipped,
               jobs_.size());
  if (options_.json) std::cout << done_line(sidecar) << std::endl;
}

void RunRecords::failed(std::size_t clip, const Error& error, bool tried_again) {
  if (tried_again) return spdlog::warn("{}; it will be tried again", error.what());
  progress_.end(clip);
  ++summary_.failed;
  folder_.record_failed(jobs_[clip], error);
  spdlog::error("{}", error.what());
  if (options_.json) std::cout << failed_line(jobs_[clip], error) << std::endl;
}

Summary RunRecords::summary(double seconds) const {
  Summary summary = summary_;
  summary.left = jobs_.size() - summary.done - summary.skipped - summary.failed;
  summary.seconds = seconds;
  return summary;
}

}  // namespace wf
