#include "parallel/mesh.hpp"

#include <spdlog/fmt/fmt.h>

#include "base/error.hpp"
#include "parallel/shard.hpp"

namespace wf {
namespace {

template <class... Values>
[[noreturn]] void refuse(fmt::format_string<const Values&...> format, const Values&... values) {
  throw Error(Error::input, fmt::format(format, values...));
}

void check_range(int ranks, const Degrees& degrees) {
  if (degrees.guidance < 1 || degrees.guidance > 2) refuse("--cfg-parallel must be 1 or 2, got {}", degrees.guidance);
  if (degrees.guidance > ranks)
    refuse("--cfg-parallel {} needs {} ranks or more, got {}", degrees.guidance, degrees.guidance, ranks);
  if (degrees.ulysses < 0) refuse("--ulysses must be 0 (what is left) or more, got {}", degrees.ulysses);
  if (degrees.ring < 1) refuse("--ring must be 1 or more, got {}", degrees.ring);
}

/// The degrees of a branch of `ranks` ranks in a group for which `requested` was given.
Degrees branch_degrees(int ranks, const Degrees& requested) {
  const std::string branch = requested.guidance == 1 ? "the group" : "a branch (--cfg-parallel 2)";
  if (requested.ulysses == 0 && ranks % requested.ring != 0)
    refuse("--ring {} does not divide the {} ranks of {}", requested.ring, ranks, branch);
  const int ulysses = requested.ulysses == 0 ? ranks / requested.ring : requested.ulysses;
  const std::int64_t taken = std::int64_t{ulysses} * requested.ring;
  if (taken != ranks)
    refuse("--ulysses {} x --ring {} takes {} ranks, and {} has {}; without --ulysses it takes what is left", ulysses,
           requested.ring, taken, branch, ranks);
  return {.guidance = 1, .ulysses = ulysses, .ring = requested.ring};
}

int ranks_of(const Degrees& branch) { return branch.ulysses * branch.ring; }

}  // namespace

int Mesh::size() const {
  int ranks = 0;
  for (const Degrees& branch : branches) ranks += ranks_of(branch);
  return ranks;
}

MeshPlace Mesh::place(int rank) const {
  MeshPlace place;
  int begin = 0;  // first rank of this rank's branch
  for (int first = 0; const Degrees& branch : branches) {
    place.branch_leaders.push_back(first);
    if (rank >= first) {
      place.branch = static_cast<int>(place.branch_leaders.size()) - 1;
      begin = first;
    }
    first += ranks_of(branch);
  }
  const Degrees& own = branches[static_cast<std::size_t>(place.branch)];
  place.ulysses = (rank - begin) % own.ulysses;
  place.ring = (rank - begin) / own.ulysses;
  for (int i = 0; i < ranks_of(own); ++i) place.branch_members.push_back(begin + i);
  for (int i = 0; i < own.ulysses; ++i) place.ulysses_group.push_back(begin + place.ring * own.ulysses + i);
  for (int i = 0; i < own.ring; ++i) place.ring_group.push_back(begin + i * own.ulysses + place.ulysses);
  return place;
}

Mesh make_mesh(int ranks, Degrees degrees) {
  check_range(ranks, degrees);
  Mesh mesh;
  for (const Range& branch : split(ranks, degrees.guidance))
    mesh.branches.push_back(branch_degrees(static_cast<int>(branch.size), degrees));
  return mesh;
}

}  // namespace wf
