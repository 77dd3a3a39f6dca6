// tests/mpi_main.hpp: the world of a test program that runs on several ranks.
#pragma once

#include "cluster/world.hpp"

namespace wf {

/// The world of this program, which main() creates before the first test.
World& test_world();

}  // namespace wf
