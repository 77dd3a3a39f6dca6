// tests/launcher/run/groups_test.cpp: which ranks make which group, and what they load together.
#include "launcher/run/groups.hpp"

#include <gtest/gtest.h>

#include "launcher/run/loading.hpp"

namespace wf {
namespace {

TEST(Groups, LieWithinANodeHoweverRanksWereDealtOut) {
  const std::vector<std::vector<int>> in_a_row{{0, 1}, {2, 3}, {4, 5}, {6, 7}}, around{{0, 2}, {4, 6}, {1, 3}, {5, 7}};
  EXPECT_EQ(make_groups({"a", "a", "a", "a", "b", "b", "b", "b"}, 2).ranks, in_a_row);
  const Groups groups = make_groups({"a", "b", "a", "b", "a", "b", "a", "b"}, 2);
  EXPECT_EQ(groups.ranks, around);
  EXPECT_EQ(groups.leader(2), 1);
  EXPECT_EQ(groups.of(7), 3);
  EXPECT_EQ(groups.count(), 4);
}

TEST(Groups, HaveNeighboursInTheSamePlaceOnTheSameNode) {
  const Groups groups = make_groups({"a", "a", "a", "a", "a", "b", "b", "b"}, 2);
  EXPECT_EQ(groups.neighbours(0, {1, 2, 3}), (std::vector{2, 3}));
  EXPECT_EQ(groups.neighbours(0, {2, 3}), (std::vector{4, -1})) << "group 2 lies on both machines";
  EXPECT_EQ(groups.neighbours(3, {0, 1}), (std::vector{-1, -1}));
  EXPECT_EQ(groups.neighbours(3, {}), (std::vector{-1, -1}));
}

PlacementPlan pools_of_two_and_two() {
  PlacementPlan plan;
  plan.mode = PlacementMode::pipeline;
  plan.pools = {{"high", {Stage::high}, 2}, {"low", {Stage::text, Stage::low, Stage::decode}, 2}};
  return plan;
}

TEST(PartsToShare, AreThoseThatSeveralRanksOfANodeBeginWith) {
  const PlacementPlan plan = pools_of_two_and_two();
  const std::vector<std::string> one_machine(4, "a"), four{"a", "b", "c", "d"}, two{"a", "b", "a", "b"};
  const std::vector<SharedPart> low{{Part::text_encoder, {2, 3}}, {Part::vae, {2, 3}}, {Part::low_expert, {2, 3}}};
  EXPECT_EQ(parts_to_share(plan, make_groups(one_machine, 1), one_machine, 0),
            (std::vector<SharedPart>{{Part::high_expert, {0, 1}}}));
  EXPECT_EQ(parts_to_share(plan, make_groups(one_machine, 1), one_machine, 3), low);
  for (int rank = 0; rank < 4; ++rank)
    EXPECT_TRUE(parts_to_share(plan, make_groups(four, 1), four, rank).empty()) << "each machine reads for itself";
  EXPECT_EQ(parts_to_share(plan, make_groups(two, 1), two, 2), (std::vector<SharedPart>{{Part::high_expert, {0, 2}}}))
      << "groups are sorted by machine";
}

TEST(PartsToShare, TextsAndFramesAreTheLeaders) {
  PlacementPlan plan;
  plan.degrees.ulysses = 2;
  plan.pools = {{"all", {Stage::text, Stage::high, Stage::low, Stage::decode}, 2}};
  const std::vector<std::string> hosts(4, "a");
  const std::vector<SharedPart> experts{{Part::low_expert, {0, 1, 2, 3}}, {Part::high_expert, {0, 1, 2, 3}}};
  std::vector<SharedPart> all{{Part::text_encoder, {0, 2}}, {Part::vae, {0, 2}}};
  all.insert(all.end(), experts.begin(), experts.end());
  EXPECT_EQ(parts_to_share(plan, make_groups(hosts, 2), hosts, 1), experts);
  EXPECT_EQ(parts_to_share(plan, make_groups(hosts, 2), hosts, 2), all);
  EXPECT_EQ(parts_to_share(plan, make_groups(hosts, 2), hosts, 1, /*low_is_behind=*/true),
            std::vector<SharedPart>{experts[1]});
  plan.split_decode = true;
  std::vector<SharedPart> with_vae{{Part::vae, {0, 1, 2, 3}}};
  with_vae.insert(with_vae.end(), experts.begin(), experts.end());
  EXPECT_EQ(parts_to_share(plan, make_groups(hosts, 2), hosts, 1), with_vae) << "every rank decodes";
}

}  // namespace
}  // namespace wf
