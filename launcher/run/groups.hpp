// launcher/run/groups.hpp: which ranks make which group. A pure value.
#pragma once

#include <set>
#include <string>
#include <vector>

namespace wf {

struct Groups {
  std::vector<std::vector<int>> ranks;  ///< ranks[g]: the ranks of group g, its leader first
  std::vector<std::string> hosts = {};  ///< name of each rank's node

  int leader(int group) const { return ranks.at(static_cast<std::size_t>(group)).front(); }
  int count() const { return static_cast<int>(ranks.size()); }
  int of(int rank) const;  ///< the group that the rank belongs to
  /// For each rank of the group, in its order, a rank on the same node that has the same place in one of the `others`;
  /// -1 where there is none.
  std::vector<int> neighbours(int group, const std::set<int>& others) const;
};

/// Cuts the ranks, sorted by node, into groups of `size`, so that a group lies within one node where that is possible,
/// however the launcher dealt the ranks out. hosts: name of each rank's node; their number must be a multiple of
/// `size`. Rank 0 leads group 0.
Groups make_groups(const std::vector<std::string>& hosts, int size);

/// The ranks on the node of `rank`, in ascending order. hosts: name of each rank's node.
std::vector<int> ranks_of_node(const std::vector<std::string>& hosts, int rank);

}  // namespace wf
