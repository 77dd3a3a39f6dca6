// parallel/mesh.hpp: how the ranks of one group divide the work on a clip. Pure values: no communication.
#pragma once

#include <vector>

namespace wf {

/// A group's degrees of parallelism. With guidance 2 the conditional and the unconditional forward run on two branches
/// of the group, of different sizes when the number of ranks is odd. Within a branch the sequence is divided over
/// ulysses x ring ranks.
struct Degrees {
  int guidance = 1, ulysses = 1, ring = 1;
  bool operator==(const Degrees&) const = default;
};

/// A rank's place in its group. The ranks of a branch are consecutive, and within a branch those of a Ulysses group, so
/// that the heaviest traffic stays inside a node.
struct MeshPlace {
  int branch = 0;                   ///< 0: the conditional forward, and both forwards when guidance is 1
  int ulysses = 0, ring = 0;        ///< coordinates in the branch
  std::vector<int> branch_members;  ///< ranks of the group in this branch, in sequence order
  std::vector<int> ulysses_group;   ///< ranks that exchange heads with this rank, and this rank
  std::vector<int> ring_group;      ///< ranks that pass keys and values around with this rank, and this rank
  std::vector<int> branch_leaders;  ///< first rank of each branch
};

/// The degrees of each branch of a group. Branches may differ: with guidance 2 and 3 ranks, the branch of 2 runs
/// ulysses 2 / ring, the branch of 1 ulysses 1.
struct Mesh {
  std::vector<Degrees> branches;  ///< degrees within each branch; their guidance is 1
  int size() const;               ///< number of ranks in the group
  MeshPlace place(int rank) const;
};

/// The mesh of a group of `ranks` ranks. ulysses 0 stands for (size of the branch) / ring. Throws Error(input), in the
/// terms of the command line's flags, unless ulysses * ring is the size of each branch.
Mesh make_mesh(int ranks, Degrees degrees);

}  // namespace wf
