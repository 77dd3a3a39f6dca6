// tests/base/error_test.cpp: exit codes, foreign exceptions and contexts.
#include "base/error.hpp"

#include <gtest/gtest.h>

#include <new>

namespace wf {
namespace {

template <class Thrown>
Error caught(const Thrown& thrown) {
  try {
    throw thrown;
  } catch (...) {
    return current_error();
  }
}

TEST(Error, KindsHaveTheExitCodesOfTheManual) {
  EXPECT_EQ(exit_code(Error::input), 2);
  EXPECT_EQ(exit_code(Error::environment), 3);
  EXPECT_EQ(exit_code(Error::storage), 5);
  for (const auto kind : {Error::transient, Error::resource, Error::permanent, Error::internal})
    EXPECT_EQ(exit_code(kind), 1);
  EXPECT_STREQ(to_string(Error::storage), "storage");
}

TEST(Error, ForeignExceptionsBecomeResourceOrInternal) {
  EXPECT_EQ(caught(std::bad_alloc()).kind(), Error::resource);
  EXPECT_EQ(caught(std::runtime_error("x")).kind(), Error::internal);
  EXPECT_EQ(caught(7).kind(), Error::internal);
  EXPECT_EQ(caught(Error(Error::permanent, "NaN")).kind(), Error::permanent);
}

TEST(Error, OnlyTheFirstLineOfAForeignMessageIsKept) {
  EXPECT_STREQ(caught(std::runtime_error("shapes differ\nframe #0: 0x1234")).what(), "shapes differ");
}

TEST(Error, ContextIsAppendedOnceInBrackets) {
  try {
    within("rank 3", [] { within("job rain", []() -> int { throw Error(Error::transient, "link lost"); }); });
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "link lost (job rain; rank 3)");
    EXPECT_EQ(error.kind(), Error::transient);
  }
}

TEST(Error, WithinReturnsWhatTheActionReturns) {
  EXPECT_EQ(within("nothing", [] { return 7; }), 7);
}

}  // namespace
}  // namespace wf
