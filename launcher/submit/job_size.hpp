// launcher/submit/job_size.hpp: how many nodes a job takes for a list, and for how long. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace wf {

/// What the planner expects of a list on some number of nodes. Seconds.
struct ListForecast {
  double start = 0;     ///< Before the first clip begins.
  double clip = 0;      ///< At work on one clip, from text to frames.
  double makespan = 0;  ///< For the whole list, start included.
};

/// The forecast for this many nodes. May throw what the planner throws.
using ForecastOnNodes = std::function<ListForecast(int nodes)>;

/// What a user asked for, and what the partition allows.
struct SizeRequest {
  std::optional<int> nodes;             ///< --nodes
  std::optional<std::int64_t> seconds;  ///< --time
  std::size_t clips = 1;
  int ranks_per_node = 1;
  std::string partition;                     ///< Its name, for messages.
  std::optional<int> most_nodes;             ///< Of a job there; empty: not known.
  std::optional<std::int64_t> most_seconds;  ///< Of a job there; empty: no limit, or not known.
};

struct JobSize {
  int nodes = 1;
  std::int64_t seconds = 0;  ///< The job's time limit.
  ListForecast forecast;     ///< On these nodes.
};

/// How long before its limit a job of this length is told to save what is under way: 10 minutes, a sixth of jobs that
/// are shorter than an hour.
std::int64_t reserve_seconds(std::int64_t job_seconds);

/// Whether a list is expected to end in a job of this length, if the forecast is a tenth too short, before the reserve.
bool fits(const ListForecast& forecast, std::int64_t job_seconds);

/// The shortest length that fits, in steps of five minutes.
std::int64_t seconds_for(const ListForecast& forecast);

/// With nodes and time: these, if the list fits. With the time alone: the fewest nodes with which it does. With the
/// nodes alone, or one: how long they take; where that is longer than the partition allows and no nodes were asked for,
/// the fewest nodes for its longest time. Throws Error(input) in one sentence with the numbers, and with those that
/// would do, when a limit of the partition is exceeded, not even one clip fits the time, or the list does not.
JobSize size_of_job(const SizeRequest& request, const ForecastOnNodes& forecast);

}  // namespace wf
