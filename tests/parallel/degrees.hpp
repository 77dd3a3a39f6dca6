// tests/parallel/degrees.hpp: every way in which a number of ranks can share a clip.
#pragma once

#include <string>
#include <vector>

#include "parallel/mesh.hpp"

namespace wf::test {

/// The degrees with one branch: ulysses x ring = ranks.
inline std::vector<Degrees> sequence_degrees(int ranks) {
  std::vector<Degrees> all;
  for (int ring = 1; ring <= ranks; ++ring)
    if (ranks % ring == 0) all.push_back({.guidance = 1, .ulysses = ranks / ring, .ring = ring});
  return all;
}

/// sequence_degrees(), and two branches if there are ranks for them (with 3 ranks, branches of 2 and 1).
inline std::vector<Degrees> all_degrees(int ranks) {
  std::vector<Degrees> all = sequence_degrees(ranks);
  if (ranks > 1) all.push_back({.guidance = 2, .ulysses = 0, .ring = 1});
  return all;
}

inline std::string describe(const Degrees& degrees) {
  if (degrees.guidance == 2) return "two branches";
  return "ulysses " + std::to_string(degrees.ulysses) + " ring " + std::to_string(degrees.ring);
}

}  // namespace wf::test
