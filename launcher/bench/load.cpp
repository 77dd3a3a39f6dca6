#include <spdlog/fmt/fmt.h>

#include <functional>

#include "base/clock.hpp"
#include "launcher/bench/bench.hpp"
#include "launcher/bench/raw_read.hpp"
#include "parallel/device.hpp"
#include "pipeline/weights/shards.hpp"
#include "pipeline/weights/weights_cache.hpp"

namespace wf {
namespace {

using Files = std::vector<Path>;

/// Loads the high-noise expert as the first clip of a run does. Returns the seconds; what is kept for later starts is
/// complete then, but does not count.
double load_once(const Bench& bench, const Execution& execution) {
  Models models(bench.models.parts(), execution);
  const double begin = steady_time();
  models.expert(Expert::high);
  synchronize(execution.device);
  return steady_time() - begin;
}

/// The median seconds of loads, each after `prepare`.
double time_loads(const Bench& bench, const Execution& execution, const std::function<void()>& prepare) {
  std::vector<double> seconds;
  for (int run = 0; run < bench.runs; ++run) {
    prepare();
    seconds.push_back(load_once(bench, execution));
    release_cached_memory(execution.device);
  }
  return median(std::move(seconds));
}

/// The copy of the expert in the cache, which is made if need be; none where a copy would not load faster.
Files copy_of_expert(const Bench& bench, const Execution& execution) {
  const double begin = unix_time() - 1;  // dates of files are coarser
  load_once(bench, execution);
  Files files;
  const std::string precision = to_string(execution.precision);
  for (const CacheEntry& entry : cache_entries(execution.weights_cache.folder)) {
    const bool is_of_precision = (entry.from.form + ",").starts_with(precision + ",");  // "exact, weights fp8"
    if (entry.from.expert == "high" && is_of_precision && entry.state == CacheEntry::complete &&
        entry.last_used >= begin)
      files.push_back(entry.file);
  }
  return files;
}

/// Measures one source of the expert's weights, from the disk and from the page cache.
class Source {
 public:
  Source(const Bench& bench, Execution execution, std::string name, Files files)
      : bench_(bench), execution_(std::move(execution)), name_(std::move(name)), files_(std::move(files)) {}

  /// Adds the lines; `whole`: the seconds that speed-ups are of, those of the first line that is added.
  void measure(Table& table, double& whole) const {
    const double raw = raw_read_seconds(files_);
    add(table, "plain read of the disk", raw, raw, {});
    const double cold = time_loads(bench_, execution_, [&] { drop_from_page_cache(files_); });
    if (whole == 0) whole = cold;
    add(table, "loaded from the disk", cold, raw, ratio(whole, cold));
    const double warm = time_loads(bench_, execution_, [] {});
    add(table, "loaded from the page cache", warm, raw, ratio(whole, warm));
  }

 private:
  void add(Table& table, const std::string& what, double seconds, double raw, const Cell& speedup) const {
    const double gb = static_cast<double>(bytes_of(files_)) / giga;
    table.rows.push_back({name_, what, gb, seconds, ratio(gb, seconds), ratio(raw, seconds), speedup});
  }

  const Bench& bench_;
  Execution execution_;
  std::string name_;
  Files files_;
};

}  // namespace

Report bench_load(const Bench& bench) {
  Execution from_files = bench.models.execution();
  const Execution from_cache = from_files;
  from_files.weights_cache = {};
  const Path& weights = bench.models.parts().files.high.weights;
  Table table{"load",
              {{"source", "source"},
               {"what", "what", 0, /*left=*/true},
               {"gb", "GB", 2},
               {"seconds", "s", 2},
               {"gb_per_s", "GB/s", 2},
               {"of_raw", "of the plain read", 2},
               {"speedup", "speed-up", 2}}};
  double whole = 0;
  Source(bench, from_files, weights.filename().string(), find_shards(weights).files).measure(table, whole);
  std::string note = "with --weights-cache FOLDER also from a converted copy, which is made if it is not there";
  if (!from_cache.weights_cache.folder.empty()) {
    const Files copy = copy_of_expert(bench, from_cache);
    note = copy.empty() ? "a converted copy would not load faster: none is kept" : "";
    if (!copy.empty()) Source(bench, from_cache, "converted copy", copy).measure(table, whole);
  }
  return {
      fmt::format("loading the high-noise expert onto {}; from the disk: its files were dropped from the page cache "
                  "before; plain read: 8 threads with O_DIRECT",
                  device_name(bench.device())),
      {table},
      whole,
      note};
}

}  // namespace wf
