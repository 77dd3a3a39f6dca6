#include "launcher/bench/timeline.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "base/error.hpp"

namespace wf {
namespace {

using Json = nlohmann::json;

/// A complete event of the trace. Times are in seconds.
struct Span {
  std::string category, name;
  int rank = 0, thread = 0;
  double begin = 0, end = 0;
  std::uint64_t peak_bytes = 0;

  double seconds() const { return end - begin; }
  bool holds(const Span& other) const {
    return rank == other.rank && thread == other.thread && begin <= other.begin && other.end <= end;
  }
};

bool is_wanted(const Json& event) {
  const std::string& category = event.at("cat").get_ref<const std::string&>();
  return category == "stage" || category == "step" || category == "load";
}

Span span_from(const Json& event) {
  const double begin = event.at("ts").get<double>() / 1e6;
  const std::string peak = event.at("args").value("peak_bytes", "0");
  return {event.at("cat"),
          event.at("name"),
          event.at("pid"),
          event.at("tid"),
          begin,
          begin + event.at("dur").get<double>() / 1e6,
          std::stoull(peak)};
}

/// Reads line by line, one event each, so that the trace of a long run is never in memory as a tree.
std::vector<Span> spans_of(const std::string& trace) {
  std::vector<Span> spans;
  for (std::size_t begin = 0; begin < trace.size();) {
    const std::size_t end = std::min(trace.find('\n', begin), trace.size());
    std::string_view line(trace.data() + begin, end - begin);
    begin = end + 1;
    if (!line.starts_with(R"({"ph":"X")")) continue;
    if (line.ends_with(',')) line.remove_suffix(1);
    const Json event = Json::parse(line);
    if (is_wanted(event)) spans.push_back(span_from(event));
  }
  return spans;
}

std::optional<Stage> stage_of(const Span& span) {
  for (const Stage stage : all_stages)
    if (span.name == to_string(stage)) return stage;
  return {};
}

struct Mean {
  double sum = 0;
  int count = 0;
  void add(double value) { sum += value, ++count; }
  double value() const { return sum / count; }
};

/// Seconds of loading within each stage. What was loaded between stages counts in none.
std::vector<double> loading_in(const std::vector<Span>& stages, const std::vector<Span>& loads) {
  std::vector<double> seconds;
  for (const Span& stage : stages) {
    double sum = 0;
    for (const Span& load : loads)
      if (stage.holds(load)) sum += load.seconds();
    seconds.push_back(sum);
  }
  return seconds;
}

std::map<Stage, double> values(const std::map<Stage, Mean>& means) {
  std::map<Stage, double> values;
  for (const auto& [stage, mean] : means) values[stage] = mean.value();
  return values;
}

struct Spans {
  std::vector<Span> stages, steps, loads;
};

Spans by_category(std::vector<Span> all) {
  Spans spans;
  for (Span& span : all) {
    auto& kind = span.category == "stage" ? spans.stages : span.category == "step" ? spans.steps : spans.loads;
    kind.push_back(std::move(span));
  }
  return spans;
}

void add_list(const std::vector<Span>& stages, Timeline& timeline) {
  const double begin = std::ranges::min(stages, {}, &Span::begin).begin;
  timeline.loading = std::max(begin, 0.0);
  timeline.list = std::ranges::max(stages, {}, &Span::end).end - begin;
}

void add_stages(const Spans& spans, const Groups& groups, Timeline& timeline) {
  const auto leads = [&](int rank) { return groups.leader(groups.of(rank)) == rank; };
  const std::vector<double> loading = loading_in(spans.stages, spans.loads);
  std::map<Stage, Mean> stages, steps;
  std::map<int, double> by_rank;
  for (std::size_t i = 0; i < spans.stages.size(); ++i) {
    const Span& span = spans.stages[i];
    const std::optional<Stage> stage = stage_of(span);
    auto& peak = timeline.peak.at(static_cast<std::size_t>(span.rank));
    peak = std::max(peak, span.peak_bytes);
    by_rank[span.rank] += loading[i];
    if (!stage || !leads(span.rank)) continue;
    stages[*stage].add(span.seconds() - loading[i]);
    // Not writing: a host thread does that while the group works on the next clip.
    if (*stage != Stage::write)
      timeline.busy.at(static_cast<std::size_t>(groups.of(span.rank))) += span.seconds() / timeline.list;
  }
  for (const Span& span : spans.steps)
    if (const auto stage = stage_of(span); stage && leads(span.rank)) steps[*stage].add(span.seconds());
  timeline.stage = values(stages);
  timeline.step = values(steps);
  for (const auto& [rank, seconds] : by_rank)
    timeline.loading_in_stages = std::max(timeline.loading_in_stages, seconds);
}

}  // namespace

Timeline timeline_of(const std::string& trace, const Groups& groups) {
  const Spans spans = by_category(spans_of(trace));
  if (spans.stages.empty()) throw Error(Error::internal, "the trace of the run shows no stage");
  std::size_t ranks = 0;
  for (const std::vector<int>& group : groups.ranks) ranks += group.size();
  Timeline timeline;
  timeline.busy.resize(groups.ranks.size());
  timeline.peak.resize(ranks);
  add_list(spans.stages, timeline);
  add_stages(spans, groups, timeline);
  return timeline;
}

}  // namespace wf
