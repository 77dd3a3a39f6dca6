// launcher/farm/groups.hpp: which ranks make which group. A pure value.
#pragma once

#include <set>
#include <string>
#include <vector>

namespace wf {

/// ranks[g]: those of group g, its leader first.
struct Groups {
  std::vector<std::vector<int>> ranks;
  std::vector<std::string> hosts = {};  ///< by rank

  int leader(int group) const { return ranks.at(static_cast<std::size_t>(group)).front(); }
  int count() const { return static_cast<int>(ranks.size()); }
  int of(int rank) const;  ///< the group that has the rank
  /// For each rank of the group one in the same place of one of the `others` that is on its machine; -1: there is none.
  std::vector<int> neighbours(int group, const std::set<int>& others) const;
};

/// Groups of `size` ranks that follow each other when ranks are sorted by machine, so that a group lies within one
/// where it can, however the launcher dealt them out. hosts: of each rank. Rank 0 leads group 0.
Groups make_groups(const std::vector<std::string>& hosts, int size);

}  // namespace wf
