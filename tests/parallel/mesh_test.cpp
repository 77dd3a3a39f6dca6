// tests/parallel/mesh_test.cpp: which ranks work together, and what is said when degrees do not fit.
#include "parallel/mesh.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "cluster/error.hpp"

namespace wf {
namespace {

using Ranks = std::vector<int>;

bool holds(const Ranks& ranks, int rank) { return std::count(ranks.begin(), ranks.end(), rank) == 1; }

std::string refusal(int ranks, Degrees degrees) {
  try {
    make_mesh(ranks, degrees);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::input);
    return error.what();
  }
  return "accepted";
}

TEST(Mesh, UlyssesRanksFollowEachOtherAndRingRanksLieApart) {
  const MeshPlace place = make_mesh(6, {.ulysses = 3, .ring = 2}).place(4);
  EXPECT_EQ(place.half_members, (Ranks{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(place.ulysses_group, (Ranks{3, 4, 5}));
  EXPECT_EQ(place.ring_group, (Ranks{1, 4}));
  EXPECT_EQ(place.half_leaders, (Ranks{0}));
  EXPECT_EQ(place.half, 0);
  EXPECT_EQ(place.ulysses, 1);
  EXPECT_EQ(place.ring, 1);
}

TEST(Mesh, GuidanceOnThreeRanksMakesHalvesOfTwoAndOne) {
  const Mesh mesh = make_mesh(3, {.guidance = 2, .ulysses = 0});
  EXPECT_EQ(mesh.halves, (std::vector<Degrees>{{1, 2, 1}, {1, 1, 1}}));
  EXPECT_EQ(mesh.size(), 3);
  EXPECT_EQ(mesh.place(1).half_members, (Ranks{0, 1}));
  EXPECT_EQ(mesh.place(2).half_members, (Ranks{2}));
  EXPECT_EQ(mesh.place(2).half, 1);
  EXPECT_EQ(mesh.place(2).ulysses, 0);
  EXPECT_EQ(mesh.place(0).half_leaders, (Ranks{0, 2}));
  EXPECT_EQ(mesh.place(2).half_leaders, (Ranks{0, 2}));
}

TEST(Mesh, UlyssesZeroTakesWhatGuidanceAndRingLeave) {
  EXPECT_EQ(make_mesh(8, {.ulysses = 0}).halves, (std::vector<Degrees>{{1, 8, 1}}));
  EXPECT_EQ(make_mesh(8, {.guidance = 2, .ulysses = 0, .ring = 2}).halves,
            (std::vector<Degrees>{{1, 2, 2}, {1, 2, 2}}));
  EXPECT_EQ(make_mesh(1, {}).place(0).ring_group, (Ranks{0}));
}

TEST(Mesh, GroupsOfAllPlacesAgree) {
  for (int ranks = 1; ranks <= 12; ++ranks) {
    for (const int guidance : {1, 2}) {
      for (const int ring : {1, 2, 3}) {
        const Degrees degrees{.guidance = guidance, .ulysses = 0, .ring = ring};
        if (refusal(ranks, degrees) != "accepted") continue;
        const Mesh mesh = make_mesh(ranks, degrees);
        ASSERT_EQ(mesh.size(), ranks);
        for (int rank = 0; rank < ranks; ++rank) {
          const MeshPlace place = mesh.place(rank);
          ASSERT_EQ(place.ulysses_group.at(static_cast<std::size_t>(place.ulysses)), rank);
          ASSERT_EQ(place.ring_group.at(static_cast<std::size_t>(place.ring)), rank);
          ASSERT_TRUE(holds(place.half_members, rank));
          for (const int peer : place.half_members) ASSERT_EQ(mesh.place(peer).half_members, place.half_members);
          for (const int peer : place.ulysses_group) ASSERT_EQ(mesh.place(peer).ulysses_group, place.ulysses_group);
          for (const int peer : place.ring_group) ASSERT_EQ(mesh.place(peer).ring_group, place.ring_group);
        }
      }
    }
  }
}

TEST(Mesh, DegreesThatDoNotFitAreRefusedInTheWordsOfTheFlags) {
  EXPECT_EQ(refusal(4, {.guidance = 3}), "--cfg-parallel must be 1 or 2, got 3");
  EXPECT_EQ(refusal(1, {.guidance = 2}), "--cfg-parallel 2 needs 2 ranks or more, got 1");
  EXPECT_EQ(refusal(4, {.ulysses = -1}), "--ulysses must be 0 (what is left) or more, got -1");
  EXPECT_EQ(refusal(4, {.ulysses = 0, .ring = 0}), "--ring must be 1 or more, got 0");
  EXPECT_EQ(refusal(4, {.ulysses = 0, .ring = 3}), "--ring 3 does not divide the 4 ranks of the group");
  EXPECT_EQ(refusal(6, {.ulysses = 2, .ring = 2}),
            "--ulysses 2 x --ring 2 takes 4 ranks, and the group has 6; without --ulysses it takes what is left");
  EXPECT_EQ(
      refusal(3, {.guidance = 2, .ulysses = 2}),
      "--ulysses 2 x --ring 1 takes 2 ranks, and a half (--cfg-parallel 2) has 1; without --ulysses it takes what "
      "is left");
}

}  // namespace
}  // namespace wf
