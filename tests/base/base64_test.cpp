// tests/base/base64_test.cpp: the examples of RFC 4648, section 10, and bytes above 127.
#include "base/base64.hpp"

#include <gtest/gtest.h>

namespace wf {
namespace {

TEST(Base64, GivesTheTextsOfTheStandard) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foob"), "Zm9vYg==");
  EXPECT_EQ(base64("fooba"), "Zm9vYmE=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
}

TEST(Base64, TakesAnyBytes) { EXPECT_EQ(base64(std::string_view("\xfb\xff\xbf\0\xff", 5)), "+/+/AP8="); }

}  // namespace
}  // namespace wf
