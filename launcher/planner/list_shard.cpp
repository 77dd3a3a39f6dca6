#include "launcher/planner/list_shard.hpp"

#include <algorithm>
#include <numeric>
#include <queue>

#include "base/error.hpp"
#include "base/text.hpp"
#include "launcher/planner/time_model.hpp"

namespace wf {
namespace {

/// The shard with least work, the first among equals.
using Load = std::pair<double, int>;
using Loads = std::priority_queue<Load, std::vector<Load>, std::greater<>>;

/// The shard of each job, from 0.
std::vector<int> dealt_out(const std::vector<Job>& jobs, int count) {
  std::vector<double> work;
  for (const Job& job : jobs) work.push_back(predicted_work(job));
  std::vector<std::size_t> order(jobs.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater<>{}, [&](std::size_t job) { return work[job]; });
  Loads loads;
  for (int shard = 0; shard < count; ++shard) loads.emplace(0, shard);
  std::vector<int> shards(jobs.size());
  for (const std::size_t job : order) {
    const auto [load, shard] = loads.top();
    loads.pop();
    loads.emplace(load + work[job], shard);
    shards[job] = shard;
  }
  return shards;
}

}  // namespace

double predicted_work(const Job& job) {
  const GpuFigures& gpu = gpu_figures("h200");
  const PlannedShape shape = shapes_of({job}).front();
  const auto tokens = static_cast<double>(shape.tokens);
  const auto forwards = static_cast<double>(shape.high_forwards() + shape.low_forwards());
  const double pixels = static_cast<double>(job.width) * job.height * job.frames;
  return gpu.text_seconds + forwards * (gpu.token_seconds * tokens + gpu.pair_seconds * tokens * tokens) +
         gpu.decode_seconds * pixels;
}

std::vector<std::size_t> places_in_shard(const std::vector<Job>& jobs, int number, int count) {
  if (jobs.size() < static_cast<std::size_t>(count))
    throw Error(Error::input, count_text(jobs.size(), "clip") + " cannot be divided into " +
                                  count_text(static_cast<std::size_t>(count), "shard") + " (--shard I/" +
                                  std::to_string(jobs.size()) + " at most)");
  const std::vector<int> shards = dealt_out(jobs, count);
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < jobs.size(); ++i)
    if (shards[i] == number - 1) places.push_back(i);
  return places;
}

std::vector<Job> jobs_of_shard(const std::vector<Job>& jobs, int number, int count) {
  std::vector<Job> chosen;
  for (const std::size_t place : places_in_shard(jobs, number, count)) chosen.push_back(jobs[place]);
  return chosen;
}

}  // namespace wf
