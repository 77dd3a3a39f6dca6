#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "cluster/gpu.hpp"
#include "launcher/bench/team.hpp"
#include "parallel/device.hpp"
#include "parallel/nccl_communicator.hpp"
#include "pipeline/model/ceilings.hpp"

namespace wf {
namespace {

constexpr std::int64_t kib = 1 << 10, mib = 1 << 20;
constexpr std::int64_t alignment = 256;   ///< Bytes that a block is a multiple of, as in the allocator.
constexpr std::int64_t least_block = 16;  ///< Bytes of a block in the smallest calls.
/// Calls in a round pass about this much, so that small ones fill a GPU's queue.
constexpr std::int64_t bytes_of_a_round = 64 * mib;
constexpr int most_calls = 100;

/// Bytes of the whole tensors; fewer sizes on CPUs, so that they take seconds.
std::vector<std::int64_t> sizes_for(at::Device device) {
  if (device.is_cpu()) return {64 * kib, mib, 16 * mib};
  return {64 * kib, mib, 16 * mib, 128 * mib, 512 * mib};
}

std::string bytes_text(std::int64_t bytes) {
  return bytes < mib ? fmt::format("{} KiB", bytes / kib) : fmt::format("{} MiB", bytes / mib);
}

/// The collectives on tensors of one size. The whole tensor consists of one block for each rank.
class Payload {
 public:
  Payload(Communicator& ranks, at::Device device, std::int64_t block)
      : ranks_(ranks),
        block_(at::ones({block}, at::TensorOptions(device).dtype(at::kByte))),
        whole_(at::ones({block * ranks.size()}, block_.options())),
        counts_(static_cast<std::size_t>(ranks.size()), block) {}

  std::int64_t bytes() const { return whole_.numel(); }
  void all_to_all() const { ranks_.all_to_all(whole_, counts_, counts_); }
  void exchange() const {
    const int rank = ranks_.rank(), size = ranks_.size();
    ranks_.start_exchange(whole_, (rank + 1) % size, bytes(), (rank + size - 1) % size)->wait();
  }
  void all_gather() const { ranks_.all_gather(block_, counts_); }
  void broadcast() const { ranks_.broadcast(whole_, 0); }

 private:
  Communicator& ranks_;
  at::Tensor block_, whole_;
  Counts counts_;
};

struct Collective {
  const char* name;
  void (Payload::*call)() const;
  bool keeps_own_block;  ///< A rank does not send the block that stays its own.

  double bytes_sent(std::int64_t whole, int ranks) const {
    return static_cast<double>(keeps_own_block ? whole / ranks * (ranks - 1) : whole);
  }
};
constexpr Collective collectives[] = {{"all_to_all", &Payload::all_to_all, true},
                                      {"exchange", &Payload::exchange, false},
                                      {"all_gather", &Payload::all_gather, true},
                                      {"broadcast", &Payload::broadcast, false}};

/// Median seconds of a call. Several are made in a row, as in a forward, where a GPU's queue hides what the host does.
double seconds_of(Team& team, at::Device device, int runs, std::int64_t bytes, const std::function<void()>& call) {
  const std::int64_t calls = std::clamp<std::int64_t>(bytes_of_a_round / bytes, 1, most_calls);
  const auto round = [&] {
    for (std::int64_t i = 0; i < calls; ++i) call();
  };
  call();
  return team.time_runs(device, runs, round).median() / static_cast<double>(calls);
}

/// One measured collective.
struct Row {
  const Collective* collective;
  std::int64_t bytes;
  double seconds;  ///< Of one call.
  double rate;     ///< Bytes a second that a rank sends.
};

std::vector<Row> measure(Team& team, Communicator& ranks, at::Device device, int runs) {
  std::vector<Row> rows;
  for (const Collective& each : collectives) {
    for (const std::int64_t size : sizes_for(device)) {
      const Payload payload(ranks, device, std::max(size / ranks.size() / alignment, std::int64_t{1}) * alignment);
      const double seconds = seconds_of(team, device, runs, size, [&] { (payload.*each.call)(); });
      rows.push_back({&each, size, seconds, each.bytes_sent(payload.bytes(), ranks.size()) / seconds});
    }
  }
  return rows;
}

Table latencies(Team& team, Communicator& ranks, at::Device device, int runs) {
  Table table{"latency", {{"operation", "smallest call"}, {"us", "us", 1}}};
  const Payload payload(ranks, device, least_block);
  const auto add = [&](const char* name, const std::function<void()>& call) {
    table.rows.push_back({name, 1e6 * seconds_of(team, device, runs, payload.bytes(), call)});
  };
  for (const Collective& each : collectives) add(each.name, [&] { (payload.*each.call)(); });
  add("barrier", [&] { ranks.barrier(); });
  return table;
}

struct Peak {
  std::string what;
  double rate = 0;  ///< Bytes a second.
};

double rate_to_next(at::Device gpu, std::size_t gpus) {
  const auto next = (static_cast<std::size_t>(gpu.index()) + 1) % gpus;
  return peer_rate(gpu, at::Device(gpu.type(), static_cast<at::DeviceIndex>(next)));
}

/// The rate that collectives are compared with: of a copy between two GPUs, made by rank 0 while the others wait, or of
/// the fastest exchange where rank 0 sees only one GPU.
Peak find_peak(Team& team, at::Device device, const std::vector<Row>& rows) {
  const std::size_t gpus = device.is_cuda() ? cuda_view().gpus.size() : 0;
  double copied = 0;
  team.agree([&] {
    if (team.rank() == 0 && gpus > 1) copied = rate_to_next(device, gpus);
  });
  copied = team.most(copied);
  if (copied > 0) return {"a copy from one GPU of the machine to another, 1 GiB", copied};
  Peak best{"the fastest exchange below"};
  for (const Row& row : rows)
    if (row.collective->call == &Payload::exchange) best.rate = std::max(best.rate, row.rate);
  return best;
}

Table to_table(const std::vector<Row>& rows, const Peak& peak) {
  Table table{"comm",
              {{"operation", "operation"},
               {"size", "size"},
               {"bytes", ""},
               {"us", "us", 1},
               {"gb_per_s", "GB/s", 2},
               {"peak_percent", "% of peak", 1}}};
  for (const Row& row : rows)
    table.rows.push_back({row.collective->name, bytes_text(row.bytes), static_cast<double>(row.bytes),
                          1e6 * row.seconds, row.rate / giga, ratio(100 * row.rate, peak.rate)});
  return table;
}

Table to_table(const Peak& peak) {
  return {"peak", {{"what", "peak"}, {"gb_per_s", "GB/s", 2}}, {{peak.what, peak.rate / giga}}};
}

}  // namespace

Report bench_comm(Team& team, at::Device device, int runs) {
  const c10::InferenceMode no_autograd;
  const Team::Communicators all = team.communicators(device);
  Communicator& ranks = all.device ? *all.device : *all.host;
  Table smallest = latencies(team, ranks, device, runs);
  const std::vector<Row> rows = measure(team, ranks, device, runs);
  const Peak peak = find_peak(team, device, rows);
  double busiest = 0;
  for (const Row& row : rows) busiest = std::max(busiest, row.seconds);
  return {fmt::format("{}, {} on {}; a call among several in a row, median of {}, the slowest rank's", team.describe(),
                      device.is_cuda() ? nccl_library() : mpi_library(), device_name(device), runs),
          {to_table(peak), to_table(rows, peak), std::move(smallest)},
          busiest,
          "size: of what a rank passes, or ends up with (all_gather), its own part included\n"
          "GB/s: what a rank sends to others (in a broadcast: rank 0), by the time; 10^9 bytes"};
}

}  // namespace wf
