#include "launcher/run/metrics_file.hpp"

#include <charconv>
#include <chrono>
#include <utility>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/paths.hpp"
#include "launcher/options/version.hpp"

namespace wf {
namespace {

/// The denoising steps that this run computed of the clip. The others were done before the clip was resumed.
std::int64_t steps_computed(const Sidecar& sidecar) {
  std::int64_t resumed = 0;
  if (const auto found = sidecar.how.find("steps_resumed"); found != sidecar.how.end())
    std::from_chars(found->second.data(), found->second.data() + found->second.size(), resumed);
  return sidecar.job.steps - resumed;
}

}  // namespace

/// Counters that are there from the start, as 0, can be told from ones that are missing.
MetricsFile::MetricsFile(const OutputFolder& folder, const std::vector<std::string>& nodes)
    : folder_(folder),
      metrics_{.version = version, .output = absolute_folder(folder.output()).string(), .started = unix_time()},
      lost_(nodes.size()) {
  for (const std::string& node : nodes) metrics_.ranks.push_back({.node = node});
  for (const Stage stage : all_stages) metrics_.stages[std::string(to_string(stage))];
  for (const auto kind : {Error::input, Error::environment, Error::storage, Error::transient, Error::resource,
                          Error::permanent, Error::internal})
    metrics_.attempts_failed[to_string(kind)] = 0;
  metrics_.attempts_failed["lost"] = 0;
}

void MetricsFile::done(const Sidecar& sidecar) {
  for (const auto& [stage, seconds] : sidecar.seconds) metrics_.stages[stage].add(seconds);
  steps_.done(sidecar.job.name, steps_computed(sidecar));
}

void MetricsFile::attempt_failed(const std::string& clip, const std::string& kind) {
  ++metrics_.attempts_failed[kind];
  steps_.ended(clip);
}

void MetricsFile::lost(int rank) {
  lost_.at(static_cast<std::size_t>(rank)) = true;
  ++metrics_.ranks_lost;
}

void MetricsFile::at_work(const std::vector<Activity>& ranks) {
  for (std::size_t rank = 0; rank < ranks.size() && rank < lost_.size(); ++rank) {
    const Activity& activity = ranks[rank];
    metrics_.ranks[rank].busy = !activity.clip.empty() && !lost_[rank];
    const bool denoises = activity.stage == Stage::high || activity.stage == Stage::low;
    if (metrics_.ranks[rank].busy && denoises) steps_.at(activity.clip, activity.step);
  }
}

void MetricsFile::write(std::map<std::string, std::size_t> clips, double eta_seconds, double now) {
  written_ = now;
  metrics_.clips = std::move(clips);
  metrics_.eta_seconds = eta_seconds >= 0 ? std::optional(eta_seconds) : std::nullopt;
  write();
}

void MetricsFile::finish(std::map<std::string, std::size_t> clips, int exit_code) {
  metrics_.clips = std::move(clips);
  metrics_.eta_seconds.reset();
  metrics_.exit_code = exit_code;
  for (RunMetrics::Rank& rank : metrics_.ranks) rank.busy = false;
  write();
}

void MetricsFile::write() {
  metrics_.steps = steps_.total();
  try {
    replace_file(folder_.output() / "metrics.prom", prometheus_text(metrics_), folder_.part("metrics.prom"));
    warned_ = false;
  } catch (const Error& error) {
    if (!std::exchange(warned_, true)) spdlog::warn("{}", error.what());
  }
}

}  // namespace wf
