// launcher/doctor/rank_report.hpp: what each rank reports to rank 0 about its node, its GPU and its limits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cluster/gpu.hpp"
#include "cluster/world.hpp"
#include "launcher/options/run_options.hpp"

namespace wf {

/// One rank's view of itself. Sizes are in bytes.
struct RankReport {
  int rank = 0;
  std::string host;              ///< Name of the rank's node, as in World::hosts().
  int threads = 1;               ///< Threads that this rank would compute with.
  std::uint64_t node_bytes = 0;  ///< Memory of the rank's node.
  int ranks_on_node = 1;         ///< Ranks that share the node, this one included.

  std::string wanfarm, torch, nccl, driver;  ///< Versions; empty: not in this build, or not on this node.
  std::string mpi;                           ///< "Open MPI v4.1.4"

  std::string device = "CPU";  ///< "CPU", or the name of the rank's GPU.
  int gpu = -1;                ///< CUDA device index of the rank's GPU; -1: the rank renders on the CPU.
  std::string pci;             ///< PCI address of the GPU, as in Gpu::pci: tells GPUs of a node apart.
  std::uint64_t gpu_bytes = 0, gpu_free = 0;
  std::vector<GpuPair> pairs;  ///< All pairs of GPUs that this rank sees.
  int gpus_seen = 0;

  std::uint64_t lockable = 0;   ///< `ulimit -l` in bytes; the largest number: unlimited.
  bool infiniband = false;      ///< The node has an InfiniBand adapter.
  double pinned_gb_per_s = 0;   ///< Rate of a copy of 1 GiB of pinned memory to the GPU, in 10^9 bytes a second.
  std::string pinning_problem;  ///< Why pinning or copying failed; empty: it did not.
  std::uint64_t shm_bytes = 0, shm_free = 0;  ///< Size of /dev/shm, and what of it is free.

  std::string problem;  ///< Why this report is incomplete; empty: it is complete.
};

/// The report of this process, on the device that a run with these options would give it. Pins 1 GiB of host memory
/// and takes 1 GiB of GPU memory for a moment. Never throws for what is wrong with the node: `problem` says that.
RankReport own_report(int rank, const std::string& host, const NodePlace& place, RunOptions options);

}  // namespace wf
