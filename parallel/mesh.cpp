#include "parallel/mesh.hpp"

#include <spdlog/fmt/fmt.h>

#include "cluster/error.hpp"
#include "parallel/shard.hpp"

namespace wf {
namespace {

template <class... Words>
[[noreturn]] void refuse(fmt::format_string<const Words&...> what, const Words&... words) {
  throw Error(Error::input, fmt::format(what, words...));
}

void check_range(int ranks, const Degrees& degrees) {
  if (degrees.guidance < 1 || degrees.guidance > 2) refuse("--cfg-parallel must be 1 or 2, got {}", degrees.guidance);
  if (degrees.guidance > ranks)
    refuse("--cfg-parallel {} needs {} ranks or more, got {}", degrees.guidance, degrees.guidance, ranks);
  if (degrees.ulysses < 0) refuse("--ulysses must be 0 (what is left) or more, got {}", degrees.ulysses);
  if (degrees.ring < 1) refuse("--ring must be 1 or more, got {}", degrees.ring);
}

/// The degrees of a half, of `ranks` ranks, of what `asked` for.
Degrees half_degrees(int ranks, const Degrees& asked) {
  const std::string half = asked.guidance == 1 ? "the group" : "a half (--cfg-parallel 2)";
  if (asked.ulysses == 0 && ranks % asked.ring != 0)
    refuse("--ring {} does not divide the {} ranks of {}", asked.ring, ranks, half);
  const int ulysses = asked.ulysses == 0 ? ranks / asked.ring : asked.ulysses;
  const std::int64_t taken = std::int64_t{ulysses} * asked.ring;
  if (taken != ranks)
    refuse("--ulysses {} x --ring {} takes {} ranks, and {} has {}; without --ulysses it takes what is left", ulysses,
           asked.ring, taken, half, ranks);
  return {.guidance = 1, .ulysses = ulysses, .ring = asked.ring};
}

int ranks_of(const Degrees& half) { return half.ulysses * half.ring; }

}  // namespace

int Mesh::size() const {
  int ranks = 0;
  for (const Degrees& half : halves) ranks += ranks_of(half);
  return ranks;
}

MeshPlace Mesh::place(int rank) const {
  MeshPlace place;
  int begin = 0;  // of the rank's half
  for (int first = 0; const Degrees& half : halves) {
    place.half_leaders.push_back(first);
    if (rank >= first) {
      place.half = static_cast<int>(place.half_leaders.size()) - 1;
      begin = first;
    }
    first += ranks_of(half);
  }
  const Degrees& own = halves[static_cast<std::size_t>(place.half)];
  place.ulysses = (rank - begin) % own.ulysses;
  place.ring = (rank - begin) / own.ulysses;
  for (int i = 0; i < ranks_of(own); ++i) place.half_members.push_back(begin + i);
  for (int i = 0; i < own.ulysses; ++i) place.ulysses_group.push_back(begin + place.ring * own.ulysses + i);
  for (int i = 0; i < own.ring; ++i) place.ring_group.push_back(begin + i * own.ulysses + place.ulysses);
  return place;
}

Mesh make_mesh(int ranks, Degrees degrees) {
  check_range(ranks, degrees);
  Mesh mesh;
  for (const Range& half : split(ranks, degrees.guidance))
    mesh.halves.push_back(half_degrees(static_cast<int>(half.size), degrees));
  return mesh;
}

}  // namespace wf
