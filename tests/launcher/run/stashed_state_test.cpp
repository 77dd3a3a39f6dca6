// tests/launcher/parked_test.cpp: parked clips on their way from rank to rank, asked for and fetched ahead.
#include "cluster/error.hpp"
#include "tests/launcher/pair_mail.hpp"

namespace wf {
namespace {

Bytes parcel_of(std::size_t size, int seed = 0) {
  Bytes parcel(size);
  for (std::size_t i = 0; i < size; ++i) parcel[i] = static_cast<std::uint8_t>(i * 7 + static_cast<std::size_t>(seed));
  return parcel;
}

/// Rank 0 holds clips, rank 1 is given them.
struct Parking : testing::Test, Pair {
  void park(std::size_t clip, Bytes parcel) { couriers[0]->park(clip, std::move(parcel)); }
  void hint(std::size_t clip, Stage first = Stage::low) {
    mails[0]->send(1, to_bytes(letter::Ahead{{clip, first, 0}}));
  }
  /// As rank 0 orders it; the mail is used, so that it need not have a courier any more.
  Bytes pull_for_order(std::size_t clip, Stage first = Stage::low) {
    mails[0]->send(1, to_bytes(letter::Assign{clip, first, Stage::write, 0}));
    return couriers[1]->pull(std::get<letter::Assign>(couriers[1]->next()));
  }
  bool holds(std::size_t clip) const {
    const std::vector<std::size_t> parked = couriers[0]->parked();
    return std::find(parked.begin(), parked.end(), clip) != parked.end();
  }
  void wait_for_pieces(int count) {
    ASSERT_TRUE(comes_true([&] { return posts[1].pieces == count; })) << posts[1].pieces;
  }
};

TEST_F(Parking, AClipIsPulledInPiecesAndThenForgotten) {
  for (const std::size_t size : {1u, 999u, 1000u, 1001u, 12'345u}) {
    park(3, parcel_of(size));
    EXPECT_EQ(pull_for_order(3), parcel_of(size)) << size;
    EXPECT_TRUE(comes_true([&] { return !holds(3); })) << "the receiver has it";
  }
}

TEST_F(Parking, WhatIsNotThereIsATransientError) {
  try {
    pull_for_order(9);
    FAIL() << "there is no clip 9";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::transient);
    EXPECT_NE(std::string(error.what()).find("rank 0 (node one)"), std::string::npos) << error.what();
  }
  park(9, Bytes(10));
  EXPECT_EQ(pull_for_order(9).size(), 10u) << "it can be pulled later";
}

TEST_F(Parking, AHintBringsTheClipBeforeTheOrder) {
  park(3, parcel_of(12'345));
  hint(3);
  wait_for_pieces(13);
  EXPECT_TRUE(holds(3)) << "it is a copy until somebody is given the clip";
  couriers[0].reset();
  EXPECT_EQ(pull_for_order(3), parcel_of(12'345)) << "without the holder's help";
}

TEST_F(Parking, AWrongHintLosesNothing) {
  park(1, parcel_of(12'345, 1));
  park(2, parcel_of(5'000, 2));
  hint(1);
  EXPECT_EQ(pull_for_order(2), parcel_of(5'000, 2)) << "pieces of clip 1 were on their way";
  EXPECT_TRUE(holds(1));
  EXPECT_EQ(pull_for_order(1), parcel_of(12'345, 1));
}

TEST_F(Parking, AHintThatCameTooEarlyIsForgotten) {
  hint(9);
  wait_for_pieces(1);  // which says that nothing is there
  park(9, parcel_of(100));
  EXPECT_EQ(pull_for_order(9), parcel_of(100));
}

TEST_F(Parking, WhatWasFetchedOfAnEarlierStageIsNotTakenForALaterOne) {
  park(3, parcel_of(100, 1));
  hint(3, Stage::high);
  wait_for_pieces(1);
  park(3, parcel_of(200, 2));
  EXPECT_EQ(pull_for_order(3, Stage::low), parcel_of(200, 2));
}

TEST_F(Parking, AnOrderForAnotherClipFreesWhatWasFetched) {
  park(3, parcel_of(100));
  hint(3);
  wait_for_pieces(1);
  mails[0]->send(1, to_bytes(letter::Assign{5, Stage::text, Stage::write, -1}));
  couriers[1]->next();
  EXPECT_EQ(pull_for_order(3), parcel_of(100));
  EXPECT_EQ(posts[1].pieces, 2) << "it was fetched again";
}

}  // namespace
}  // namespace wf
