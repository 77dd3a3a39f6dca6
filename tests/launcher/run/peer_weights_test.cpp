// tests/launcher/lending_test.cpp: experts that ranks lend to each other: what is lent stays as long as it is needed,
// no longer, and a rank that gets nothing knows that in time.
#include <future>
#include <stdexcept>

#include "tests/launcher/pair_mail.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

constexpr auto short_patience = 50ms;

/// One rank's expert, which is there as long as it or anybody else keeps it.
struct Treasure {
  Lent lend() const { return {handles, memory}; }
  bool is_lent() const { return memory.use_count() > 1; }

  Bytes handles;
  std::shared_ptr<const int> memory = std::make_shared<const int>(0);
};

struct LendingPair : testing::Test, Pair {
  Lending& of(int rank) { return couriers[rank]->lending(); }
  void offer(int rank, const Treasure& treasure) {
    of(rank).lend_by([&treasure](Role) { return treasure.lend(); });
  }
};

TEST_F(LendingPair, WhatIsLentStaysUntilTheBorrowerIsDone) {
  const Treasure treasure{{1, 2, 3}};
  offer(0, treasure);
  Lent lent = of(1).borrow(0, Role::low);
  EXPECT_EQ(lent.handles, (Bytes{1, 2, 3}));
  std::this_thread::sleep_for(50ms);
  EXPECT_TRUE(treasure.is_lent());
  lent = {};
  EXPECT_TRUE(comes_true([&] { return !treasure.is_lent(); }));
}

TEST_F(LendingPair, WhatIsAskedForIsTheRolesExpert) {
  of(0).lend_by([](Role role) { return Lent{{static_cast<std::uint8_t>(role)}, std::make_shared<int>()}; });
  for (const Role role : {Role::high, Role::low})
    EXPECT_EQ(of(1).borrow(0, role).handles, Bytes{static_cast<std::uint8_t>(role)});
}

TEST_F(LendingPair, WhoHasNothingSaysSoAtOnce) {
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(of(1).borrow(0, Role::low).handles.empty()) << "before it begins to work";
  of(0).lend_by([](Role) { return Lent{}; });
  EXPECT_TRUE(of(1).borrow(0, Role::low).handles.empty()) << "it has another expert";
  of(0).lend_by([](Role) -> Lent { throw std::runtime_error("on purpose"); });
  EXPECT_TRUE(of(1).borrow(0, Role::low).handles.empty()) << "it cannot be shared";
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 4s) << "that is nearly its patience";
  EXPECT_EQ(ended[0], -1) << "none of this ends a run";
}

TEST_F(LendingPair, WhoHasStoppedLendingLendsNothing) {
  const Treasure treasure{{1}};
  offer(0, treasure);
  of(0).lend_by({});
  EXPECT_TRUE(of(1).borrow(0, Role::low).handles.empty());
}

TEST_F(LendingPair, BothAskEachOtherAtOnce) {
  const Treasure treasures[] = {{{10}}, {{11}}};
  for (const int rank : {0, 1}) offer(rank, treasures[rank]);
  for (int round = 0; round < 50; ++round) {
    auto other = std::async(std::launch::async, [&] { return of(1).borrow(0, Role::high); });
    const Lent lent = of(0).borrow(1, Role::low);
    EXPECT_EQ(lent.handles, Bytes{11});
    EXPECT_EQ(other.get().handles, Bytes{10});
  }
}

TEST_F(LendingPair, ABorrowerMayAskAgain) {
  const Treasure treasure{{1}};
  offer(0, treasure);
  for (int round = 0; round < 3; ++round) EXPECT_EQ(of(1).borrow(0, Role::low).handles, Bytes{1});
  EXPECT_TRUE(comes_true([&] { return !treasure.is_lent(); }));
}

struct ImpatientPair : testing::Test, Pair {
  ImpatientPair() : Pair(8, std::chrono::milliseconds(20), short_patience) {}
};

TEST_F(ImpatientPair, ARankThatIsGoneIsNotWaitedForLong) {
  couriers[0].reset();
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(couriers[1]->lending().borrow(0, Role::low).handles.empty());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 4s);
}

TEST_F(ImpatientPair, AnAnswerThatComesTooLateIsNeitherKeptNorTakenForAnother) {
  Lending &lender = couriers[0]->lending(), &borrower = couriers[1]->lending();
  const Treasure treasure{{1}};
  std::promise<void> go_on;
  lender.lend_by([&, waits = go_on.get_future().share()](Role role) {
    if (role == Role::low) waits.wait();
    return role == Role::low ? treasure.lend() : Lent{};
  });
  EXPECT_TRUE(borrower.borrow(0, Role::low).handles.empty()) << "no answer";
  go_on.set_value();
  EXPECT_TRUE(borrower.borrow(0, Role::high).handles.empty()) << "the late one comes first";
  EXPECT_TRUE(comes_true([&] { return !treasure.is_lent(); }));
}

}  // namespace
}  // namespace wf
