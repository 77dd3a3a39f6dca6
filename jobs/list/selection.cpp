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

}  // namespace

std::vector<Job> select(const std::vector<Job>& jobs, const std::string& only, int limit) {
  std::vector<bool> taken(jobs.size(), only.empty());
  for (const std::string& item : only.empty() ? std::vector<std::string>{} : split_at_commas(only)) {
    bool any = false;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      if (!selects(item, jobs[i])) continue;
      taken[i] = any = true;
    }
    if (!any)
      throw Error(Error::input, "--only: no clip of the list is '" + item + "' (its places are 1-" +
                                    std::to_string(jobs.back().index) + ")");
  }
  std::vector<Job> selected;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (taken[i] && (limit == 0 || selected.size() < static_cast<std::size_t>(limit))) selected.push_back(jobs[i]);
  }
  return selected;
}

}  // namespace wf
