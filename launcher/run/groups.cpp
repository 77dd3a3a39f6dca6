#include "launcher/run/groups.hpp"

#include <algorithm>
#include <numeric>

#include "base/check.hpp"
#include "cluster/world.hpp"

namespace wf {

int Groups::of(int rank) const {
  const auto has = [rank](const std::vector<int>& group) {
    return std::find(group.begin(), group.end(), rank) != group.end();
  };
  return static_cast<int>(std::find_if(ranks.begin(), ranks.end(), has) - ranks.begin());
}

std::vector<int> Groups::neighbours(int group, const std::set<int>& others) const {
  const auto host = [this](int rank) { return hosts.at(static_cast<std::size_t>(rank)); };
  std::vector<int> found = ranks.at(static_cast<std::size_t>(group));
  for (std::size_t place = 0; place < found.size(); ++place) {
    const auto in_place = [&](int other) { return ranks.at(static_cast<std::size_t>(other)).at(place); };
    const auto near =
        std::ranges::find_if(others, [&](int other) { return host(in_place(other)) == host(found[place]); });
    found[place] = near == others.end() ? -1 : in_place(*near);
  }
  return found;
}

Groups make_groups(const std::vector<std::string>& hosts, int size) {
  WF_CHECK(size > 0 && std::ssize(hosts) % size == 0);
  std::vector<int> order(hosts.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return node_place(hosts, a).node < node_place(hosts, b).node; });
  Groups groups{.ranks = {}, .hosts = hosts};
  for (auto first = order.begin(); first != order.end(); first += size) groups.ranks.emplace_back(first, first + size);
  return groups;
}

std::vector<int> ranks_of_node(const std::vector<std::string>& hosts, int rank) {
  std::vector<int> ranks;
  for (int other = 0; other < std::ssize(hosts); ++other)
    if (hosts[static_cast<std::size_t>(other)] == hosts[static_cast<std::size_t>(rank)]) ranks.push_back(other);
  return ranks;
}

}  // namespace wf
