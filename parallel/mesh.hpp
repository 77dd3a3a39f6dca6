// parallel/mesh.hpp: how the ranks of one group share the work on a clip. A pure value: no communication.
#pragma once

#include <vector>

namespace wf {

/// A group's degrees. guidance 2: the conditional and the unconditional forward run on two halves of the group (of
/// different sizes where its ranks are odd in number). Within a half, the sequence is cut for ulysses x ring ranks.
struct Degrees {
  int guidance = 1, ulysses = 1, ring = 1;
  bool operator==(const Degrees&) const = default;
};

/// A rank's place in its group: ranks of one half follow each other, and within a half those of one Ulysses group, so
/// that the heaviest traffic stays inside a node.
struct MeshPlace {
  int half = 0;                    ///< 0: conditional, and everything when guidance is 1
  int ulysses = 0, ring = 0;       ///< coordinates in the half
  std::vector<int> half_members;   ///< ranks of the group in this half, in sequence order
  std::vector<int> ulysses_group;  ///< those that exchange heads with this rank
  std::vector<int> ring_group;     ///< those that pass keys and values around with this rank
  std::vector<int> half_leaders;   ///< the first rank of each half
};

/// The half's own degrees: a half of n ranks that guidance made uneven (2 + 1) runs ulysses n / ring.
struct Mesh {
  std::vector<Degrees> halves;  ///< degrees of each half; guidance is 1 in them
  int size() const;             ///< ranks of the group
  MeshPlace place(int rank) const;
};

/// The mesh of a group of so many ranks. Throws input when the degrees do not fit: ulysses * ring must be the size of
/// each half; ulysses 0 means: what is left.
Mesh make_mesh(int ranks, Degrees degrees);

}  // namespace wf
