// tests/cluster/rendezvous_mpi_test.cpp: ranks report to rank 0 and are answered, and a silent rank is named in time.
#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <string>

#include "cluster/mpi_transport.hpp"
#include "cluster/rendezvous.hpp"
#include "parallel/mpi_communicator.hpp"
#include "tests/mpi_main.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto enough = 60s;    ///< Deadline for ranks that do answer.
constexpr auto little = 200ms;  ///< Deadline for a rank that does not.

class RendezvousOfRanks : public testing::Test {
 protected:
  static void barrier() { mpi_communicator(test_world())->barrier(); }
  /// No rank drops its transport while another still waits for it.
  void TearDown() override { barrier(); }

  bool is_root() const { return rendezvous_.rank() == 0; }
  int last() const { return rendezvous_.size() - 1; }

  std::unique_ptr<Transport> transport_ = mpi_transport(test_world());
  Rendezvous rendezvous_{*transport_};
};

std::string report_of(int rank) { return "report of rank " + std::to_string(rank); }

TEST_F(RendezvousOfRanks, GatherHasTheReportOfEachRank) {
  if (!is_root()) return rendezvous_.send_to_root(report_of(rendezvous_.rank()));
  const Reports<std::string> reports = rendezvous_.gather(report_of(0), enough);
  EXPECT_TRUE(reports.missing.empty());
  ASSERT_EQ(std::ssize(reports.by_rank), rendezvous_.size());
  for (const auto& [rank, report] : reports.by_rank) EXPECT_EQ(report, report_of(rank));
}

TEST_F(RendezvousOfRanks, AMessageToAllReachesEveryOtherRank) {
  const std::vector<double> message{0.1, 1e300, -0.0};
  if (is_root()) return rendezvous_.send_to_all(message);
  EXPECT_EQ(rendezvous_.receive<std::vector<double>>(enough), message);
}

TEST_F(RendezvousOfRanks, ASilentRankIsMissingAtTheDeadlineAndTheOthersAreThere) {
  if (!is_root() && rendezvous_.rank() != last()) rendezvous_.send_to_root(rendezvous_.rank());
  barrier();  // what is sent has been sent
  if (!is_root()) return;
  const auto begin = Clock::now();
  const Reports<int> reports = rendezvous_.gather(0, little);
  EXPECT_GE(Clock::now() - begin, little);
  EXPECT_EQ(reports.missing, std::set<int>{last()});
  EXPECT_EQ(std::ssize(reports.by_rank), rendezvous_.size() - 1);
}

TEST_F(RendezvousOfRanks, ReceiveReturnsNothingWhenRank0IsSilent) {
  if (is_root()) return;
  EXPECT_FALSE(rendezvous_.receive<int>(little).has_value());
}

TEST_F(RendezvousOfRanks, AReportOfTheNextRoundIsKeptForIt) {
  constexpr int rounds = 3;
  if (!is_root()) {
    for (int round = 0; round < rounds; ++round) rendezvous_.send_to_root(100 * round + rendezvous_.rank());
    return;
  }
  for (int round = 0; round < rounds; ++round) {
    const Reports<int> reports = rendezvous_.gather(100 * round, enough);
    ASSERT_EQ(std::ssize(reports.by_rank), rendezvous_.size());
    for (const auto& [rank, report] : reports.by_rank) EXPECT_EQ(report, 100 * round + rank);
  }
}

TEST_F(RendezvousOfRanks, AllGatherGivesEveryRankAllValuesInRankOrder) {
  std::vector<int> expected(static_cast<std::size_t>(rendezvous_.size()));
  std::iota(expected.begin(), expected.end(), 7);
  for (int round = 0; round < 3; ++round) EXPECT_EQ(rendezvous_.all_gather(7 + rendezvous_.rank(), enough), expected);
}

TEST_F(RendezvousOfRanks, AllGatherNamesTheRankThatDidNotCall) {
  barrier();  // from here on all are about equally far
  if (rendezvous_.rank() == last()) return;
  const std::string missing = is_root() ? "rank " + std::to_string(last()) : "rank 0";
  try {
    rendezvous_.all_gather(1, is_root() ? std::chrono::milliseconds(2s) : little);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::resource);
    EXPECT_TRUE(std::string(error.what()).ends_with("in vain for " + missing)) << error.what();
  }
}

TEST_F(RendezvousOfRanks, AMessageOfAnotherTypeIsAnErrorThatNamesItsSender) {
  if (!is_root()) return rendezvous_.send_to_root(std::string("a text"));
  try {
    rendezvous_.gather(1, enough);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::internal);
    EXPECT_TRUE(std::string(error.what()).starts_with("rank 1 sent what")) << error.what();
  }
}

TEST(RendezvousOfOne, HasItsOwnReportAlone) {
  const std::unique_ptr<Transport> transport = local_transport();
  Rendezvous alone(*transport);
  const Reports<int> reports = alone.gather(5, 0ms);
  EXPECT_EQ(reports.by_rank, (std::map<int, int>{{0, 5}}));
  EXPECT_TRUE(reports.missing.empty());
  EXPECT_EQ(alone.all_gather(5, 0ms), std::vector<int>{5});
}

}  // namespace
}  // namespace wf
