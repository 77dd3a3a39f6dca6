// launcher/doctor/rank_report.hpp: what each rank tells rank 0 of its place, its GPU and its limits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "launcher/flags.hpp"
#include "launcher/machine.hpp"
#include "parallel/world.hpp"

namespace wf {

struct RankReport {
  int rank = 0;
  std::string host;
  int threads = 1;               ///< that it would compute with
  std::uint64_t host_bytes = 0;  ///< memory of its machine
  int host_ranks = 1;            ///< that share the machine

  std::string wanfarm, torch, nccl, driver;  ///< versions; empty: has none
  std::string mpi;                           ///< "Open MPI v4.1.4"

  std::string device = "CPU";  ///< or the name of its GPU
  int gpu = -1;                ///< its number, as this rank counts; -1: renders on the CPU
  std::string pci;             ///< Gpu::pci
  std::uint64_t gpu_bytes = 0, gpu_free = 0;
  std::vector<GpuPair> pairs;  ///< of all GPUs that this rank sees
  int gpus_seen = 0;

  std::uint64_t lockable = 0;  ///< bytes, `ulimit -l`; the largest number: no limit
  bool infiniband = false;
  double pinned_gb_per_s = 0;                 ///< of a copy from 1 GiB of pinned memory to the GPU
  std::string pinning_problem;                ///< why that failed
  std::uint64_t shm_bytes = 0, shm_free = 0;  ///< of /dev/shm

  std::string problem;  ///< what kept it from finding out more
};

/// Of this process, on the device that a run with these options would give it. Never throws for what is wrong with the
/// machine: that stands in `problem`.
RankReport own_report(int rank, const std::string& host, const NodePlace& place, RunOptions options);

}  // namespace wf
