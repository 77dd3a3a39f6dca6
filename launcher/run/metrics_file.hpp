// launcher/run/metrics_file.hpp: OUTPUT/metrics.prom, from what rank 0 sees of a run (jobs/record/metrics.hpp).
#pragma once

#include <cstddef>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "jobs/output/publish.hpp"
#include "jobs/output/sidecar.hpp"
#include "jobs/record/metrics.hpp"
#include "launcher/run/messages.hpp"

namespace wf {

/// Not thread-safe. Of a disk that fails it warns once, for the figures are not worth a run.
class MetricsFile {
 public:
  /// nodes: of each rank. `folder` outlives this object.
  MetricsFile(const OutputFolder& folder, const std::vector<std::string>& nodes);

  void done(const Sidecar& sidecar);
  /// kind: of the error, or "lost" with its rank.
  void attempt_failed(const std::string& clip, const std::string& kind);
  void lost(int rank);
  void at_work(const std::vector<Activity>& ranks);

  /// Whether the file is older than 15 s. now: seconds of any clock that never goes back.
  bool is_due(double now) const { return now - written_ >= 15; }
  /// clips: by state. eta_seconds: negative if it is not known.
  void write(std::map<std::string, std::size_t> clips, double eta_seconds, double now);
  /// The same, at the end of the run.
  void finish(std::map<std::string, std::size_t> clips, int exit_code);

 private:
  void write();

  const OutputFolder& folder_;
  RunMetrics metrics_;
  StepCounter steps_;
  std::vector<bool> lost_;  ///< by rank
  double written_ = -std::numeric_limits<double>::infinity();
  bool warned_ = false;
};

}  // namespace wf
