#include "launcher/farm/records.hpp"

#include <iostream>

#include "cluster/log.hpp"
#include "launcher/terminal.hpp"

namespace wf {

Records::Records(const std::vector<Job>& jobs, RunFolder& folder, const RunOptions& options, int ranks)
    : jobs_(jobs),
      folder_(folder),
      options_(options),
      display_(jobs, terminal_of_stderr() && !options.quiet, options.verbose ? ranks : 0) {}

void Records::finished_before(const std::map<std::size_t, Sidecar>& clips) {
  for (const auto& [clip, sidecar] : clips) {
    display_.skip(clip);
    folder_.record_finished(sidecar);
    if (options_.json) std::cout << skipped_line(sidecar) << std::endl;
  }
  summary_.skipped = clips.size();
  if (!clips.empty()) spdlog::info("{} of {} clips are finished already", clips.size(), jobs_.size());
}

void Records::done(std::size_t clip, const std::string& json) {
  const Sidecar sidecar = sidecar_from(json);
  folder_.record_finished(sidecar);
  display_.end(clip);
  ++summary_.done;
  double seconds = 0;
  for (const auto& [stage, spent] : sidecar.seconds) seconds += spent;
  spdlog::info("{} in {:.1f} s ({} of {})", sidecar.video_file, seconds, summary_.done + summary_.skipped,
               jobs_.size());
  if (options_.json) std::cout << done_line(sidecar) << std::endl;
}

void Records::failed(std::size_t clip, const Error& error, bool tried_again) {
  if (tried_again) return spdlog::warn("{}; it will be tried again", error.what());
  display_.end(clip);
  ++summary_.failed;
  folder_.record_failed(jobs_[clip], error);
  spdlog::error("{}", error.what());
  if (options_.json) std::cout << failed_line(jobs_[clip], error) << std::endl;
}

Summary Records::summary(double seconds) const {
  Summary summary = summary_;
  summary.left = jobs_.size() - summary.done - summary.skipped - summary.failed;
  summary.seconds = seconds;
  return summary;
}

}  // namespace wf
