// tests/mpi_main.cpp: main() of the tests that run under mpiexec. Only rank 0 prints results; a failure on any rank
// ends all ranks.
#include "tests/mpi_main.hpp"

#include <gtest/gtest.h>
#include <mpi.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

namespace wf {
namespace {

World* world = nullptr;

/// Ends all ranks at a failure: the others would wait for a rank whose test has ended early.
class AbortOnFailure : public testing::EmptyTestEventListener {
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    const char* const file = result.file_name();  // null for an exception
    std::cerr << "[rank " << world->rank() << "] " << (file ? file : "exception") << ':' << result.line_number() << ": "
              << result.message() << std::endl;
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
};

/// Whether there are as many ranks as CTest expects: a test that was started without mpiexec might pass by accident.
bool has_expected_size() {
  const char* const expected = std::getenv("WF_EXPECT_RANKS");
  if (expected && expected == std::to_string(world->size())) return true;
  if (world->rank() == 0)
    std::cerr << "WF_EXPECT_RANKS is " << (expected ? expected : "not set") << ", but there are " << world->size()
              << " ranks; start it by ctest, or by WF_EXPECT_RANKS=N mpiexec -n N\n";
  return false;
}

}  // namespace

World& test_world() { return *world; }

}  // namespace wf

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  wf::World world;
  wf::world = &world;
  if (!wf::has_expected_size()) return 1;
  testing::TestEventListeners& listeners = testing::UnitTest::GetInstance()->listeners();
  if (world.rank() != 0) {
    delete listeners.Release(listeners.default_result_printer());
    if (!std::freopen("/dev/null", "w", stdout)) return 1;  // so that a test's output appears once
  }
  listeners.Append(new wf::AbortOnFailure);
  return RUN_ALL_TESTS();
}
