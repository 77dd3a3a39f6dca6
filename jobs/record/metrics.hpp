// jobs/record/metrics.hpp: figures of a run in Prometheus' text format (0.0.4), as the node exporter's textfile
// collector reads them from OUTPUT/metrics.prom.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace wf {

/// Seconds that clips spent in a stage.
class StageHistogram {
 public:
  /// Upper bounds of the buckets, in seconds; the last bucket has none.
  static constexpr std::array bounds{0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0};
  void add(double seconds);
  double sum() const { return sum_; }
  /// Clips at or below each bound, and all of them at the end.
  std::array<std::size_t, bounds.size() + 1> cumulative() const;

 private:
  std::array<std::size_t, bounds.size() + 1> counts_ = {};
  double sum_ = 0;
};

/// Counts denoising steps from what ranks say of them now and then.
class StepCounter {
 public:
  /// A rank has done `step` steps of the clip's schedule.
  void at(const std::string& clip, std::int64_t step);
  /// The clip is done, and this run has computed so many steps of it.
  void done(const std::string& clip, std::int64_t steps);
  /// The attempt at the clip has ended otherwise.
  void ended(const std::string& clip) { under_way_.erase(clip); }
  std::int64_t total() const { return total_; }

 private:
  struct UnderWay {
    std::int64_t at = 0, counted = 0;
  };
  std::unordered_map<std::string, UnderWay> under_way_;
  std::int64_t total_ = 0;
};

/// The figures of one moment. All metrics bear the label `output`, so that the files of several runs can be collected
/// side by side.
struct RunMetrics {
  std::string version, output;
  double started = 0;                                 ///< Unix time in seconds.
  std::map<std::string, std::size_t> clips = {};      ///< By state.
  std::int64_t steps = 0;                             ///< Denoising steps computed.
  std::map<std::string, StageHistogram> stages = {};  ///< By stage.
  std::optional<double> eta_seconds = {};             ///< Empty: not known.
  struct Rank {
    std::string node = {};
    bool busy = false;
  };
  std::vector<Rank> ranks = {};
  std::size_t ranks_lost = 0;
  std::map<std::string, std::size_t> attempts_failed = {};  ///< By kind of error.
  std::optional<int> exit_code = {};                        ///< Empty while the run is under way.
};

/// The whole file. Texts that are not UTF-8 are replaced.
std::string prometheus_text(const RunMetrics& metrics);

}  // namespace wf
