// tests/mpi_main.hpp: the world of a test program that runs on several ranks.
#pragma once

#include "parallel/world.hpp"

namespace wf {

/// Made by main() before the first test.
World& test_world();

}  // namespace wf
