#include "launcher/submit/job_size.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cluster/slurm/slurm_time.hpp"

namespace wf {
namespace {

constexpr double caution = 1.1;  ///< The planner's times are right within a tenth (docs/performance.md).
constexpr std::int64_t step = 300;
constexpr int nodes_of_any_site = 1024;  ///< Where Slurm does not say how many there are.
/// Ranks that a clip can be shared by; more nodes than this for each clip have nothing to do.
constexpr std::size_t ranks_of_a_clip = 8;

std::string nodes_text(int nodes, int ranks_per_node) {
  return fmt::format("{} of {}", count_text(static_cast<std::size_t>(nodes), "node"),
                     count_text(static_cast<std::size_t>(ranks_per_node), "rank"));
}

void check_nodes(const SizeRequest& request) {
  if (request.nodes && request.most_nodes && *request.nodes > *request.most_nodes)
    throw Error(Error::input, fmt::format("--nodes {}: a job in partition {} may have {} at most", *request.nodes,
                                          request.partition, *request.most_nodes));
}

void check_time(const SizeRequest& request) {
  if (request.seconds && request.most_seconds && *request.seconds > *request.most_seconds)
    throw Error(Error::input,
                fmt::format("--time {}: a job in partition {} may last {} at most", slurm_time_text(*request.seconds),
                            request.partition, slurm_time_text(*request.most_seconds)));
}

/// The forecast of a list of one clip.
ListForecast of_one_clip(const ListForecast& list) { return {list.start, list.clip, list.start + list.clip}; }

/// seconds: the job's length, whether asked for or the partition's longest.
void check_one_clip(const ListForecast& forecast, std::int64_t seconds) {
  const ListForecast one = of_one_clip(forecast);
  if (fits(one, seconds)) return;
  throw Error(
      Error::input,
      fmt::format("{} is too short for one clip: loading takes {}, a clip {}, and the last {} are kept for "
                  "saving what is under way: it takes --time {}",
                  slurm_time_text(seconds), duration_text(one.start), duration_text(one.clip),
                  duration_text(static_cast<double>(reserve_seconds(seconds))), slurm_time_text(seconds_for(one))));
}

/// The largest number of nodes that is worth a try.
int most_nodes_for(const SizeRequest& request) {
  const std::size_t useful =
      ranks_of_a_clip * request.clips / static_cast<std::size_t>(std::max(request.ranks_per_node, 1));
  const int most = static_cast<int>(std::clamp<std::size_t>(useful, 1, nodes_of_any_site));
  return request.most_nodes ? std::min(most, std::max(*request.most_nodes, 1)) : most;
}

struct Nodes {
  int count = 0;  ///< 0: no number of nodes does it.
  ListForecast forecast = {};
};

/// The fewest nodes with which the list fits: doubles until it does, then halves the gap. So a long list is planned a
/// few times only.
Nodes fewest_nodes(const SizeRequest& request, std::int64_t seconds, const ForecastOnNodes& forecast) {
  const int most = most_nodes_for(request);
  int too_few = 0, enough = 1;
  ListForecast found = forecast(enough);
  while (!fits(found, seconds)) {
    if (enough == most) return {};
    too_few = enough;
    enough = std::min(2 * enough, most);
    found = forecast(enough);
  }
  while (enough - too_few > 1) {
    const int middle = too_few + (enough - too_few) / 2;
    const ListForecast tried = forecast(middle);
    if (fits(tried, seconds)) {
      enough = middle, found = tried;
    } else {
      too_few = middle;
    }
  }
  return {enough, found};
}

bool is_allowed(const SizeRequest& request, std::int64_t seconds) {
  return !request.most_seconds || seconds <= *request.most_seconds;
}

/// What a user could ask for instead: more nodes, more time, or a part of the list.
std::string what_would_do(const SizeRequest& request, const JobSize& size, const Nodes& nodes) {
  std::string text;
  if (nodes.count > 0) text = fmt::format("--nodes {} does it in this time", nodes.count);
  const std::int64_t seconds = seconds_for(size.forecast);
  if (is_allowed(request, seconds))
    text += fmt::format("{}--time {} does on {}", text.empty() ? "" : ", ", slurm_time_text(seconds),
                        count_text(static_cast<std::size_t>(size.nodes), "node"));
  const double time = static_cast<double>(size.seconds - reserve_seconds(size.seconds)) / caution - size.forecast.start;
  const double share = time / (size.forecast.makespan - size.forecast.start);
  const auto clips = static_cast<std::size_t>(std::max(share * static_cast<double>(request.clips), 1.0));
  return text + fmt::format("{}about {} of the {} clips are done in this time (--limit)", text.empty() ? "" : "; ",
                            clips, request.clips);
}

[[noreturn]] void throw_too_long(const SizeRequest& request, const JobSize& size, const ForecastOnNodes& forecast) {
  const Nodes nodes = fewest_nodes(request, size.seconds, forecast);
  throw Error(Error::input,
              fmt::format("{} take {} on {}, which does not fit a job of {}: {}", count_text(request.clips, "clip"),
                          duration_text(size.forecast.makespan), nodes_text(size.nodes, request.ranks_per_node),
                          slurm_time_text(size.seconds), what_would_do(request, size, nodes)));
}

/// The job of a user who says how long it may last.
JobSize size_for_time(const SizeRequest& request, std::int64_t seconds, const ForecastOnNodes& forecast) {
  const Nodes nodes =
      request.nodes ? Nodes{*request.nodes, forecast(*request.nodes)} : fewest_nodes(request, seconds, forecast);
  if (nodes.count > 0 && fits(nodes.forecast, seconds)) return {nodes.count, seconds, nodes.forecast};
  const int count = request.nodes.value_or(most_nodes_for(request));
  const JobSize size{count, seconds, forecast(count)};
  check_one_clip(size.forecast, seconds);
  throw_too_long(request, size, forecast);
}

}  // namespace

std::int64_t reserve_seconds(std::int64_t job_seconds) { return std::min<std::int64_t>(600, job_seconds / 6); }

bool fits(const ListForecast& forecast, std::int64_t job_seconds) {
  return caution * forecast.makespan <= static_cast<double>(job_seconds - reserve_seconds(job_seconds));
}

std::int64_t seconds_for(const ListForecast& forecast) {
  const double work = caution * forecast.makespan;
  const double with_reserve = std::min(work * 6 / 5, work + 600);
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(with_reserve / step - 1e-9))) * step;
}

JobSize size_of_job(const SizeRequest& request, const ForecastOnNodes& forecast) {
  check_nodes(request);
  check_time(request);
  if (request.seconds) return size_for_time(request, *request.seconds, forecast);
  const int nodes = request.nodes.value_or(1);
  const ListForecast found = forecast(nodes);
  const std::int64_t seconds = seconds_for(found);
  if (is_allowed(request, seconds)) return {nodes, seconds, found};
  return size_for_time(request, *request.most_seconds, forecast);
}

}  // namespace wf
