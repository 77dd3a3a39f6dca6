#include "jobs/record/metrics.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "jobs/list/utf8.hpp"

namespace wf {
namespace {

using Labels = std::vector<std::pair<std::string_view, std::string>>;

/// A label's value: only backslashes, quotation marks and line ends are special.
std::string escaped(const std::string& value) {
  std::string result;
  for (const char c : as_utf8(value)) {
    if (c == '\\' || c == '"') result += '\\';
    c == '\n' ? result += "\\n" : result += c;
  }
  return result;
}

/// Writes metrics, each with its description, and with the labels that all have.
class Exposition {
 public:
  explicit Exposition(Labels common) : common_(std::move(common)) {}

  void describe(std::string_view metric, std::string_view type, std::string_view help) {
    text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", metric, help, metric, type);
  }
  template <class Value>
  void sample(std::string_view name, const Labels& labels, Value value) {
    text_ += name;
    char before = '{';
    for (const Labels& all : {common_, labels})
      for (const auto& [key, text] : all) {
        text_ += fmt::format("{}{}=\"{}\"", before, key, escaped(text));
        before = ',';
      }
    text_ += fmt::format("}} {}\n", value);
  }
  /// A metric of one sample.
  template <class Value>
  void single(std::string_view metric, std::string_view type, std::string_view help, Value value) {
    describe(metric, type, help);
    sample(metric, {}, value);
  }
  const std::string& text() const { return text_; }

 private:
  Labels common_;
  std::string text_;
};

void write_clips(Exposition& out, const RunMetrics& m) {
  out.describe("wanfarm_clips", "gauge", "Clips of the run by state.");
  for (const auto& [state, count] : m.clips) out.sample("wanfarm_clips", {{"state", state}}, count);
  out.describe("wanfarm_attempts_failed_total", "counter", "Attempts at clips that failed, by kind of error.");
  for (const auto& [kind, count] : m.attempts_failed)
    out.sample("wanfarm_attempts_failed_total", {{"kind", kind}}, count);
}

void write_stage(Exposition& out, const std::string& stage, const StageHistogram& histogram) {
  const auto counts = histogram.cumulative();
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const bool last = i == StageHistogram::bounds.size();
    const std::string bound = last ? "+Inf" : fmt::format("{}", StageHistogram::bounds[i]);
    out.sample("wanfarm_stage_seconds_bucket", {{"stage", stage}, {"le", bound}}, counts[i]);
  }
  out.sample("wanfarm_stage_seconds_sum", {{"stage", stage}}, histogram.sum());
  out.sample("wanfarm_stage_seconds_count", {{"stage", stage}}, counts.back());
}

void write_work(Exposition& out, const RunMetrics& m) {
  out.single("wanfarm_steps_total", "counter", "Denoising steps computed.", m.steps);
  out.describe("wanfarm_stage_seconds", "histogram", "Seconds that rendered clips spent in each stage.");
  for (const auto& [stage, histogram] : m.stages) write_stage(out, stage, histogram);
  if (m.eta_seconds)
    out.single("wanfarm_eta_seconds", "gauge", "Predicted seconds until the run ends.", *m.eta_seconds);
}

void write_ranks(Exposition& out, const RunMetrics& m) {
  out.describe("wanfarm_rank_busy", "gauge", "Whether the rank is working on a clip.");
  for (std::size_t rank = 0; rank < m.ranks.size(); ++rank)
    out.sample("wanfarm_rank_busy", {{"rank", std::to_string(rank)}, {"node", m.ranks[rank].node}},
               m.ranks[rank].busy ? 1 : 0);
  out.single("wanfarm_ranks_lost_total", "counter", "Ranks that died or hung.", m.ranks_lost);
}

}  // namespace

void StageHistogram::add(double seconds) {
  const auto bucket = std::ranges::lower_bound(bounds, seconds) - bounds.begin();
  ++counts_[static_cast<std::size_t>(bucket)];
  sum_ += seconds;
}

std::array<std::size_t, StageHistogram::bounds.size() + 1> StageHistogram::cumulative() const {
  auto sums = counts_;
  for (std::size_t i = 1; i < sums.size(); ++i) sums[i] += sums[i - 1];
  return sums;
}

/// The first step that is seen is where the clip was resumed, or its first one. Ranks that share a clip may be a step
/// apart.
void StepCounter::at(const std::string& clip, std::int64_t step) {
  UnderWay& work = under_way_.try_emplace(clip, UnderWay{.at = step}).first->second;
  const std::int64_t more = std::max<std::int64_t>(step - work.at, 0);
  work.at += more;
  work.counted += more;
  total_ += more;
}

void StepCounter::done(const std::string& clip, std::int64_t steps) {
  const auto found = under_way_.find(clip);
  const std::int64_t counted = found == under_way_.end() ? 0 : found->second.counted;
  total_ += std::max<std::int64_t>(steps - counted, 0);
  ended(clip);
}

std::string prometheus_text(const RunMetrics& m) {
  Exposition out({{"output", m.output}});
  out.describe("wanfarm_build_info", "gauge", "The version of wanfarm.");
  out.sample("wanfarm_build_info", {{"version", m.version}}, 1);
  out.describe("wanfarm_run_start_time_seconds", "gauge", "Unix time at which the run began.");
  out.sample("wanfarm_run_start_time_seconds", {}, fmt::format("{:.3f}", m.started));
  write_clips(out, m);
  write_work(out, m);
  write_ranks(out, m);
  if (m.exit_code) out.single("wanfarm_exit_code", "gauge", "Exit code of the run, once it is over.", *m.exit_code);
  return out.text();
}

}  // namespace wf
