// launcher/rank_facts.hpp: what one process of a run has, for the planner.
#pragma once

#include <cstdint>
#include <string>

namespace wf {

struct RankFacts {
  std::string host;
  std::string device_name;         ///< "NVIDIA H200"; "cpu"
  std::uint64_t memory_bytes = 0;  ///< that tensors may take on its GPU; 0 for a CPU
  std::uint64_t host_bytes = 0;    ///< memory of its node
  int threads = 1;                 ///< of its computation
};

}  // namespace wf
