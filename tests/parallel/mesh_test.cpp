// tests/parallel/mesh_test.cpp: which ranks of a group work together, and the errors when degrees do not fit.
#include "parallel/mesh.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.hpp"

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
  EXPECT_EQ(place.branch_members, (Ranks{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(place.ulysses_group, (Ranks{3, 4, 5}));
  EXPECT_EQ(place.ring_group, (Ranks{1, 4}));
  EXPECT_EQ(place.branch_leaders, (Ranks{0}));
  EXPECT_EQ(place.branch, 0);
  EXPECT_EQ(place.ulysses, 1);
  EXPECT_EQ(place.ring, 1);
}

TEST(Mesh, GuidanceOnThreeRanksMakesBranchesOfTwoAndOne) {
  const Mesh mesh = make_mesh(3, {.guidance = 2, .ulysses = 0});
  EXPECT_EQ(mesh.branches, (std::vector<Degrees>{{1, 2, 1}, {1, 1, 1}}));
  EXPECT_EQ(mesh.size(), 3);
  EXPECT_EQ(mesh.place(1).branch_members, (Ranks{0, 1}));
  EXPECT_EQ(mesh.place(2).branch_members, (Ranks{2}));
  EXPECT_EQ(mesh.place(2).branch, 1);
  EXPECT_EQ(mesh.place(2).ulysses, 0);
  EXPECT_EQ(mesh.place(0).branch_leaders, (Ranks{0, 2}));
  EXPECT_EQ(mesh.place(2).branch_leaders, (Ranks{0, 2}));
}

TEST(Mesh, UlyssesZeroTakesTheRanksThatGuidanceAndRingLeave) {
  EXPECT_EQ(make_mesh(8, {.ulysses = 0}).branches, (std::vector<Degrees>{{1, 8, 1}}));
  EXPECT_EQ(make_mesh(8, {.guidance = 2, .ulysses = 0, .ring = 2}).branches,
            (std::vector<Degrees>{{1, 2, 2}, {1, 2, 2}}));
  EXPECT_EQ(make_mesh(1, {}).place(0).ring_group, (Ranks{0}));
}

TEST(Mesh, MembersOfAGroupAgreeOnIt) {
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
          ASSERT_TRUE(holds(place.branch_members, rank));
          for (const int peer : place.branch_members) ASSERT_EQ(mesh.place(peer).branch_members, place.branch_members);
          for (const int peer : place.ulysses_group) ASSERT_EQ(mesh.place(peer).ulysses_group, place.ulysses_group);
          for (const int peer : place.ring_group) ASSERT_EQ(mesh.place(peer).ring_group, place.ring_group);
        }
      }
    }
  }
}

TEST(Mesh, DegreesThatDoNotFitAreRefusedInTermsOfTheFlags) {
  EXPECT_EQ(refusal(4, {.guidance = 3}), "--cfg-parallel must be 1 or 2, got 3");
  EXPECT_EQ(refusal(1, {.guidance = 2}), "--cfg-parallel 2 needs 2 ranks or more, got 1");
  EXPECT_EQ(refusal(4, {.ulysses = -1}), "--ulysses must be 0 (what is left) or more, got -1");
  EXPECT_EQ(refusal(4, {.ulysses = 0, .ring = 0}), "--ring must be 1 or more, got 0");
  EXPECT_EQ(refusal(4, {.ulysses = 0, .ring = 3}), "--ring 3 does not divide the 4 ranks of the group");
  EXPECT_EQ(refusal(6, {.ulysses = 2, .ring = 2}),
            "--ulysses 2 x --ring 2 takes 4 ranks, and the group has 6; without --ulysses it takes what is left");
  EXPECT_EQ(
      refusal(3, {.guidance = 2, .ulysses = 2}),
      "--ulysses 2 x --ring 1 takes 2 ranks, and a branch (--cfg-parallel 2) has 1; without --ulysses it takes what "
      "is left");
}

}  // namespace
}  // namespace wf
