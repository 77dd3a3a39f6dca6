#include "launcher/doctor/rank_report.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <sys/resource.h>
#include <torch/version.h>

#include <filesystem>
#include <limits>

#include "base/error.hpp"
#include "cluster/node.hpp"
#include "launcher/options/version.hpp"
#include "launcher/run/rank_process.hpp"
#include "parallel/device.hpp"
#include "parallel/nccl_communicator.hpp"

namespace wf {
namespace {

void add_gpu(RankReport& report, at::Device device) {
  const CudaView cuda = cuda_view();
  report.gpus_seen = static_cast<int>(cuda.gpus.size());
  report.pairs = gpu_pairs();
  if (device.is_cpu()) return;
  report.gpu = device.index();
  const Gpu& gpu = cuda.gpus.at(static_cast<std::size_t>(report.gpu));
  report.device = gpu.name;
  report.pci = gpu.pci;
  report.gpu_bytes = gpu.memory_bytes;
  report.gpu_free = free_memory(report.gpu);
}

/// Pins memory and copies it to the GPU in the way in which weights are uploaded and experts exchanged.
void try_pinned_memory(RankReport& report, at::Device device) {
  constexpr std::int64_t bytes = 1 << 30;
  if (device.is_cpu()) return;
  try {
    const at::Tensor on_gpu =
        at::empty({bytes}, at::device(device).dtype(at::kByte));  // first, so that pinning knows the GPU
    const at::Tensor pinned = at::zeros({bytes}, at::TensorOptions(at::kByte).pinned_memory(true));
    const auto copy = [&] { on_gpu.copy_(pinned, /*non_blocking=*/true); };
    copy();
    report.pinned_gb_per_s = static_cast<double>(bytes) / 1e9 / seconds_on(device, copy);
  } catch (const std::exception&) {
    report.pinning_problem = current_error().what();
  }
  release_cached_memory(device);
}

void add_limits(RankReport& report) {
  rlimit locked{};
  ::getrlimit(RLIMIT_MEMLOCK, &locked);
  report.lockable = locked.rlim_cur == RLIM_INFINITY ? std::numeric_limits<std::uint64_t>::max() : locked.rlim_cur;
  std::error_code error;
  const std::filesystem::directory_iterator adapters("/sys/class/infiniband", error);
  report.infiniband = !error && adapters != std::filesystem::directory_iterator();
  const std::filesystem::space_info room = std::filesystem::space("/dev/shm", error);
  if (!error) report.shm_bytes = room.capacity, report.shm_free = room.available;
}

}  // namespace

RankReport own_report(int rank, const std::string& host, const NodePlace& place, RunOptions options) {
  RankReport report;
  report.rank = rank;
  report.host = host;
  report.ranks_on_node = place.local_size;
  try {
    report.node_bytes = this_node().memory_bytes;
    report.wanfarm = version;
    report.torch = TORCH_VERSION;
    report.mpi = mpi_library();
    const std::string nccl = nccl_library();  // "NCCL 2.27.5"
    report.nccl = nccl.substr(nccl.find(' ') + 1);
    report.driver = driver_version();
    add_limits(report);
    const at::Device device = own_share(options, place).device;
    report.threads = at::get_num_threads();
    add_gpu(report, device);
    try_pinned_memory(report, device);
  } catch (const std::exception&) {
    report.problem = current_error().what();
  }
  return report;
}

}  // namespace wf
