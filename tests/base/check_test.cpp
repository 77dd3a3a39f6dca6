// tests/base/check_test.cpp: assertions are on in the build that runs these tests, whatever NDEBUG says.
#include "base/check.hpp"

#include <gtest/gtest.h>

#include <string>

#include "base/error.hpp"

namespace wf {
namespace {

TEST(Check, ABrokenInvariantIsAnInternalErrorThatNamesConditionAndFile) {
  const int slots = 3;
  try {
    WF_CHECK(slots == 4);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::internal);
    const std::string what = error.what();
    EXPECT_NE(what.find("slots == 4"), std::string::npos) << what;
    EXPECT_NE(what.find("check_test.cpp:"), std::string::npos) << what;
  }
}

TEST(Check, AConditionIsEvaluatedOnce) {
  int evaluations = 0;
  WF_CHECK(++evaluations == 1);
  EXPECT_EQ(evaluations, 1);
}

}  // namespace
}  // namespace wf
