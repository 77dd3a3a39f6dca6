// tests/parallel/failing_mpi_test.cpp: fails on one rank while the other waits for it. It shows that tests/mpi_main.cpp
// ends both and names the rank.
#include <gtest/gtest.h>

#include "parallel/mpi_communicator.hpp"
#include "tests/mpi_main.hpp"

namespace wf {

TEST(Failing, OneRankWhileTheOtherWaits) {
  const auto ranks = mpi_communicator(test_world());
  ASSERT_NE(ranks->rank(), 1) << "on purpose";
  ranks->barrier();
}

}  // namespace wf
