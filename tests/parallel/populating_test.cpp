// tests/parallel/populating_test.cpp: the pages of a block of host memory are found, by whichever processes do it.
#include "parallel/populating.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <span>
#include <vector>

namespace wf {
namespace {

constexpr std::uint64_t mib = 1 << 20, bytes = 40 * mib, part = 16 * mib;
constexpr std::uint64_t key = 7;

/// Of the pages that lie within these bytes, how many have memory.
std::size_t pages_in_memory(std::span<std::byte> where) {
  std::vector<unsigned char> pages((where.size() + 4095) / 4096);
  EXPECT_EQ(::mincore(where.data(), where.size(), pages.data()), 0);
  return static_cast<std::size_t>(std::ranges::count_if(pages, [](unsigned char page) { return (page & 1) != 0; }));
}

std::span<std::byte> all_of(const HostMemory& memory) { return {memory.data(), memory.bytes()}; }

TEST(Populating, FindsAllPagesOfASharedBlockInParts) {
  const auto memory = HostMemory::shared(bytes, key, part);
  Populating populating(memory);
  populating.populate(all_of(*memory));
  EXPECT_EQ(pages_in_memory(all_of(*memory)), bytes / 4096);
  EXPECT_EQ(memory->populated_parts(), memory->parts());
}

TEST(Populating, GoesAheadOfWhoWaits) {
  const auto memory = HostMemory::shared(bytes, key, part);
  {
    const Populating populating(memory);
    while (memory->populated_parts() < memory->parts()) std::this_thread::yield();
  }
  EXPECT_EQ(pages_in_memory(all_of(*memory)), bytes / 4096);
}

TEST(Populating, FindsThePagesAskedForOfABlockOfItsOwn) {
  const auto memory = std::make_shared<HostMemory>(bytes);
  Populating populating(memory);
  populating.populate(all_of(*memory).first(mib));
  EXPECT_EQ(pages_in_memory(all_of(*memory).first(mib)), mib / 4096);
  populating.populate(all_of(*memory));
  EXPECT_EQ(pages_in_memory(all_of(*memory)), bytes / 4096);
}

/// What a process has taken that then died is never marked.
TEST(Populating, DoesNotWaitForAProcessThatHasDied) {
  const auto memory = HostMemory::shared(bytes, key, part);
  ASSERT_EQ(memory->take_part(), 0u);
  Populating populating(memory);
  populating.populate(all_of(*memory));
  EXPECT_FALSE(memory->is_populated(0));
  EXPECT_EQ(pages_in_memory(all_of(*memory)), bytes / 4096);
}

}  // namespace
}  // namespace wf
