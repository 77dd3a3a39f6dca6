// tests/base/crc32c_test.cpp: the checksum is the standard's, whichever way it is computed.
#include "base/crc32c.hpp"

#include <gtest/gtest.h>

#include <string>

namespace wf {
namespace {

TEST(Crc32c, HasTheStandardCheckValues) {
  for (const auto crc : {crc32c, crc32c_by_tables}) {
    EXPECT_EQ(crc("123456789"), 0xe3069283u);
    EXPECT_EQ(crc(""), 0u);
    EXPECT_EQ(crc(std::string(32, '\0')), 0x8a9136aau) << "RFC 3720, B.4";
    EXPECT_EQ(crc(std::string(32, '\xff')), 0x62a8ab43u) << "RFC 3720, B.4";
  }
}

TEST(Crc32c, TheInstructionAndTheTablesAgreeAtEveryLengthAndAlignment) {
  std::string text;
  for (int i = 0; i < 70; ++i) text += static_cast<char>(i * 37 % 251);
  for (std::size_t begin = 0; begin < 9; ++begin)
    for (std::size_t size = 0; begin + size <= text.size(); ++size) {
      const std::string_view part = std::string_view(text).substr(begin, size);
      EXPECT_EQ(crc32c(part), crc32c_by_tables(part)) << begin << ", " << size;
    }
}

}  // namespace
}  // namespace wf
