// tests/parallel/failing_mpi_test.cpp: fails on one rank while the other waits for it, to show what tests/mpi_main.cpp
// makes of that.
#include <gtest/gtest.h>

#include "tests/mpi_main.hpp"

namespace wf {

TEST(Failing, OneRankWhileTheOtherWaits) {
  const auto ranks = test_world().communicator();
  ASSERT_NE(ranks->rank(), 1) << "on purpose";
  ranks->barrier();
}

}  // namespace wf
