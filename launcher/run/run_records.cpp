#include "launcher/run/run_records.hpp"

#include <iostream>

#include "base/log.hpp"
#include "cluster/launch/start_ranks.hpp"
#include "cluster/launch/terminal.hpp"
#include "jobs/output/finished.hpp"

namespace wf {

RunRecords::RunRecords(const std::vector<Job>& jobs, RunFolder& folder,
                       const std::multimap<std::size_t, std::size_t>& copies, const Predicted& predicted,
                       const RunOptions& options, int groups, int ranks)
    : jobs_(jobs),
      folder_(folder),
      copies_(copies),
      options_(options),
      progress_(jobs, predicted, static_cast<std::size_t>(groups), terminal_of_stderr() && !options.quiet,
                options.verbose ? ranks : 0) {
  for (const auto& [original, copy] : copies) progress_.no_work(copy);
}

void RunRecords::finished_before(const std::map<std::size_t, Sidecar>& clips) {
  for (const auto& [clip, sidecar] : clips) {
    progress_.no_work(clip);
    progress_.end(clip);
    folder_.record_finished(sidecar);
    if (options_.json) std::cout << skipped_line(sidecar) << std::endl;
  }
  summary_.skipped = clips.size();
  if (!clips.empty()) spdlog::info("{} of {} clips are finished already", clips.size(), jobs_.size());
}

void RunRecords::done(std::size_t clip, const std::string& json) {
  const Sidecar sidecar = sidecar_from(json);
  record_done(clip, sidecar);
  double seconds = 0;
  for (const auto& [stage, spent] : sidecar.seconds) seconds += spent;
  spdlog::info("{} in {:.1f} s ({} of {})", sidecar.video_file, seconds, summary_.done + summary_.skipped,
               jobs_.size());
  for (auto [copy, end] = copies_.equal_range(clip); copy != end; ++copy) {
    record_done(copy->second, copy_clip(folder_, sidecar, jobs_[copy->second]));
    spdlog::info("{} is a copy of it: the same clip is twice in the list", jobs_[copy->second].name);
  }
}

void RunRecords::record_done(std::size_t clip, const Sidecar& sidecar) {
  folder_.record_finished(sidecar);
  progress_.end(clip);
  note_progress();
  ++summary_.done;
  if (options_.json) std::cout << done_line(sidecar) << std::endl;
}

void RunRecords::failed(std::size_t clip, const Error& error, bool tried_again) {
  if (tried_again) return spdlog::warn("{}; it will be tried again", error.what());
  spdlog::error("{}", error.what());
  record_failed(clip, error);
  for (auto [copy, end] = copies_.equal_range(clip); copy != end; ++copy) record_failed(copy->second, error);
}

void RunRecords::record_failed(std::size_t clip, const Error& error) {
  progress_.end(clip);
  ++summary_.failed;
  folder_.record_failed(jobs_[clip], error);
  if (options_.json) std::cout << failed_line(jobs_[clip], error) << std::endl;
}

void RunRecords::lost(const std::string& name, const std::string& why) {
  spdlog::error("{} {}. The run goes on without it; other ranks take the clips that it was at", name, why);
}

Summary RunRecords::summary(double seconds) const {
  Summary summary = summary_;
  summary.left = jobs_.size() - summary.done - summary.skipped - summary.failed;
  summary.seconds = seconds;
  return summary;
}

}  // namespace wf
