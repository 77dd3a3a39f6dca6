#include "launcher/farm/groups.hpp"

#include <algorithm>
#include <cassert>
#include <numeric>

#include "parallel/world.hpp"

namespace wf {

int Groups::of(int rank) const {
  const auto has = [rank](const std::vector<int>& group) {
    return std::find(group.begin(), group.end(), rank) != group.end();
  };
  return static_cast<int>(std::find_if(ranks.begin(), ranks.end(), has) - ranks.begin());
}

Groups make_groups(const std::vector<std::string>& hosts, int size) {
  assert(size > 0 && std::ssize(hosts) % size == 0);
  std::vector<int> order(hosts.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return node_place(hosts, a).node < node_place(hosts, b).node; });
  Groups groups;
  for (auto first = order.begin(); first != order.end(); first += size) groups.ranks.emplace_back(first, first + size);
  return groups;
}

}  // namespace wf
