// tests/cluster/transport_mpi_test.cpp: packets arrive complete, once and in order, and never hold up their sender.
// This program takes the place of MPI_Test, as the profiling interface of MPI (PMPI) allows, to let it fail.
#include <atomic>
#include <chrono>
#include <limits>
#include <thread>

#include "base/error.hpp"
#include "cluster/mpi_transport.hpp"
#include "parallel/mpi_communicator.hpp"
#include "tests/mpi_main.hpp"

static std::atomic<bool> test_fails = false;

extern "C" int MPI_Test(MPI_Request* request, int* done, MPI_Status* status) {
  return test_fails ? MPI_ERR_OTHER : PMPI_Test(request, done, status);
}

namespace wf {
namespace {

using namespace std::chrono_literals;

Packet wait_for_packet(Transport& transport) {
  for (const auto end = std::chrono::steady_clock::now() + 60s; std::chrono::steady_clock::now() < end;) {
    if (std::optional<Packet> packet = transport.receive()) return std::move(*packet);
    std::this_thread::sleep_for(1ms);
  }
  ADD_FAILURE() << "no packet arrived";
  return {};
}

/// The content of a packet, whose size and bytes follow from its number.
Bytes content(std::size_t number) {
  constexpr std::size_t sizes[] = {0, 1, 100, 5000, 70'000, 3'000'000};
  return Bytes(sizes[number % std::size(sizes)] + number, static_cast<std::uint8_t>(number));
}

TEST(Transport, PacketsOfEachSenderArriveOnceAndInOrder) {
  const std::unique_ptr<Transport> transport = mpi_transport(test_world());
  constexpr std::size_t packets = 60;
  for (std::size_t i = 0; i < packets; ++i)
    for (int to = 0; to < transport->size(); ++to) transport->send(to, content(i));
  std::vector<std::size_t> next(static_cast<std::size_t>(transport->size()));  // number of the next packet, by sender
  for (std::size_t left = packets * next.size(); left > 0; --left) {
    const Packet packet = wait_for_packet(*transport);
    std::size_t& number = next.at(static_cast<std::size_t>(packet.from));
    ASSERT_EQ(packet.bytes, content(number)) << "packet " << number << " of rank " << packet.from;
    ++number;
  }
  EXPECT_TRUE(transport->flush(60s));
  EXPECT_FALSE(transport->receive()) << "a packet arrived twice";
  mpi_communicator(test_world())->barrier();
}

/// Nobody receives before the barrier, so a send() that waited for its receiver would never get there.
TEST(Transport, SendingDoesNotWaitForTheReceiver) {
  const std::unique_ptr<Transport> transport = mpi_transport(test_world());
  const auto all = mpi_communicator(test_world());
  if (transport->rank() == 1) {
    for (int i = 0; i < 20; ++i) transport->send(0, Bytes(4'000'000));
  }
  all->barrier();
  if (transport->rank() == 0) {
    for (int i = 0; i < 20; ++i) EXPECT_EQ(wait_for_packet(*transport).bytes.size(), 4'000'000u);
  }
  EXPECT_TRUE(transport->flush(60s));
  all->barrier();
}

TEST(Transport, SeveralThreadsMaySendAtOnce) {
  const std::unique_ptr<Transport> transport = mpi_transport(test_world());
  constexpr int each = 50;
  {
    std::vector<std::jthread> threads;
    for (std::uint8_t thread = 0; thread < 4; ++thread)
      threads.emplace_back([&, thread] {
        for (int i = 0; i < each; ++i) transport->send(0, Bytes(1000, thread));
      });
  }
  if (transport->rank() == 0) {
    std::vector<int> received(4);  // by sending thread
    for (int left = 4 * each * transport->size(); left > 0; --left)
      ++received.at(wait_for_packet(*transport).bytes.front());
    EXPECT_EQ(received, std::vector<int>(4, each * transport->size()));
  }
  EXPECT_TRUE(transport->flush(60s));
  mpi_communicator(test_world())->barrier();
}

TEST(Transport, APacketThatMpiCannotCountIsRefusedWithItsSize) {
  constexpr std::size_t most = std::numeric_limits<int>::max();
  EXPECT_EQ(packet_count(0), 0);
  EXPECT_EQ(packet_count(most), std::numeric_limits<int>::max());
  for (const std::size_t bytes : {most + 1, std::size_t{5} << 30}) {
    try {
      packet_count(bytes);
      ADD_FAILURE() << "accepted " << bytes;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::internal);
      EXPECT_NE(std::string(error.what()).find(std::to_string(bytes) + " bytes"), std::string::npos) << error.what();
    }
  }
}

TEST(Transport, AnErrorOfMpiDoesNotLeaveTheDestructor) {
  const auto all = mpi_communicator(test_world());
  std::atomic<bool> failed = false;
  std::unique_ptr<Transport> transport = mpi_transport(MPI_COMM_WORLD, {.failed = &failed});
  transport->send((transport->rank() + 1) % transport->size(), Bytes(10));
  test_fails = true;
  transport.reset();
  test_fails = false;
  EXPECT_TRUE(failed) << "what is in flight is left to MPI";
  all->barrier();
}

}  // namespace
}  // namespace wf
