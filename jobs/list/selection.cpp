#include "jobs/list/selection.hpp"

#include <fnmatch.h>

#include <charconv>
#include <optional>
#include <utility>

#include "base/error.hpp"
#include "base/text.hpp"

namespace wf {
namespace {

/// First and last index of "3" or "2-5"; empty for anything else.
std::optional<std::pair<int, int>> index_range(const std::string& item) {
  int first = 0, last = 0;
  const char* const end = item.data() + item.size();
  const auto begun = std::from_chars(item.data(), end, first);
  if (begun.ec != std::errc{}) return {};
  if (begun.ptr == end) return std::pair{first, first};
  if (*begun.ptr != '-') return {};
  const auto ended = std::from_chars(begun.ptr + 1, end, last);
  if (ended.ec != std::errc{} || ended.ptr != end) return {};
  return std::pair{first, last};
}

bool selects(const std::string& item, const Job& job) {
  if (const auto range = index_range(item)) return range->first <= job.index && job.index <= range->second;
  return ::fnmatch(item.c_str(), job.name.c_str(), 0) == 0;
}

/// The numbers that the jobs have in their list: "1, 3-6"; of many ranges the first ones.
std::string numbers_of(const std::vector<Job>& jobs) {
  constexpr std::size_t most = 8;
  std::vector<std::string> ranges;
  for (std::size_t i = 0; i < jobs.size();) {
    if (ranges.size() == most) {
      ranges.emplace_back("...");
      break;
    }
    const int first = jobs[i].index;
    int last = first;
    for (; i < jobs.size() && jobs[i].index - last <= 1 && jobs[i].index >= last; ++i) last = jobs[i].index;
    std::string range = std::to_string(first);
    if (last > first) range += "-" + std::to_string(last);
    ranges.push_back(std::move(range));
  }
  return join(ranges, ", ");
}

}  // namespace

std::vector<std::size_t> selected(const std::vector<Job>& jobs, const std::string& only, int limit,
                                  const std::string& what) {
  std::vector<bool> taken(jobs.size(), only.empty());
  for (const std::string& item : only.empty() ? std::vector<std::string>{} : split_at_commas(only)) {
    bool any = false;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      if (!selects(item, jobs[i])) continue;
      taken[i] = any = true;
    }
    if (!any)
      throw Error(Error::input,
                  "--only: no " + what + " is '" + item + "' (they are numbered " + numbers_of(jobs) + ")");
  }
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < jobs.size(); ++i)
    if (taken[i] && (limit == 0 || places.size() < static_cast<std::size_t>(limit))) places.push_back(i);
  return places;
}

std::vector<Job> select(const std::vector<Job>& jobs, const std::string& only, int limit, const std::string& what) {
  return at_places(jobs, selected(jobs, only, limit, what));
}

}  // namespace wf
