#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "launcher/bench/team.hpp"
#include "launcher/machine.hpp"
#include "parallel/device.hpp"
#include "parallel/nccl_communicator.hpp"
#include "pipeline/ceilings.hpp"

namespace wf {
namespace {

constexpr std::int64_t kib = 1 << 10, mib = 1 << 20;
constexpr std::int64_t alignment = 256;   ///< of a block, as of the allocator's
constexpr std::int64_t least_block = 16;  ///< of the smallest calls
constexpr std::int64_t bytes_of_a_round = 64 * mib;
constexpr int most_calls = 100;

/// Whole tensors; on CPU ranks no more than a few seconds' worth.
std::vector<std::int64_t> sizes_for(at::Device device) {
  if (device.is_cpu()) return {64 * kib, mib, 16 * mib};
  return {64 * kib, mib, 16 * mib, 128 * mib, 512 * mib};
}

std::string in_words(std::int64_t bytes) {
  return bytes < mib ? fmt::format("{} KiB", bytes / kib) : fmt::format("{} MiB", bytes / mib);
}

/// The collectives on one size: a block for each rank, all of them being the whole.
class Message {
 public:
  Message(Communicator& ranks, at::Device device, std::int64_t block)
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
  void (Message::*call)() const;
  bool keeps_own_block;  ///< a rank does not send it

  double bytes_sent(std::int64_t whole, int ranks) const {
    return static_cast<double>(keeps_own_block ? whole / ranks * (ranks - 1) : whole);
  }
};
constexpr Collective collectives[] = {{"all_to_all", &Message::all_to_all, true},
                                      {"exchange", &Message::exchange, false},
                                      {"all_gather", &Message::all_gather, true},
                                      {"broadcast", &Message::broadcast, false}};

/// Median seconds of a call among several in a row, as a forward makes them: a GPU's queue hides its host's share.
double seconds_of(Team& team, at::Device device, int runs, std::int64_t bytes, const std::function<void()>& call) {
  const std::int64_t calls = std::clamp<std::int64_t>(bytes_of_a_round / bytes, 1, most_calls);
  const auto round = [&] {
    for (std::int64_t i = 0; i < calls; ++i) call();
  };
  call();
  return team.time_runs(device, runs, round).median() / static_cast<double>(calls);
}

struct Row {
  const Collective* collective;
  std::int64_t bytes;
  double seconds, rate;
};

std::vector<Row> measure(Team& team, Communicator& ranks, at::Device device, int runs) {
  std::vector<Row> rows;
  for (const Collective& each : collectives) {
    for (const std::int64_t size : sizes_for(device)) {
      const Message message(ranks, device, std::max(size / ranks.size() / alignment, std::int64_t{1}) * alignment);
      const double seconds = seconds_of(team, device, runs, size, [&] { (message.*each.call)(); });
      rows.push_back({&each, size, seconds, each.bytes_sent(message.bytes(), ranks.size()) / seconds});
    }
  }
  return rows;
}

Table latencies(Team& team, Communicator& ranks, at::Device device, int runs) {
  Table table{"latency", {{"operation", "smallest call"}, {"us", "us", 1}}};
  const Message message(ranks, device, least_block);
  const auto add = [&](const char* name, const std::function<void()>& call) {
    table.rows.push_back({name, 1e6 * seconds_of(team, device, runs, message.bytes(), call)});
  };
  for (const Collective& each : collectives) add(each.name, [&] { (message.*each.call)(); });
  add("barrier", [&] { ranks.barrier(); });
  return table;
}

struct Peak {
  std::string what;
  double rate = 0;
};

double rate_to_next(at::Device gpu, std::size_t gpus) {
  const auto next = (static_cast<std::size_t>(gpu.index()) + 1) % gpus;
  return peer_rate(gpu, at::Device(gpu.type(), static_cast<at::DeviceIndex>(next)));
}

/// A copy between two GPUs that this process sees, by rank 0 while the others wait; else the best ring step.
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
    if (row.collective->call == &Message::exchange) best.rate = std::max(best.rate, row.rate);
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
    table.rows.push_back({row.collective->name, in_words(row.bytes), static_cast<double>(row.bytes), 1e6 * row.seconds,
                          row.rate / giga, ratio(100 * row.rate, peak.rate)});
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
  return {fmt::format("{}, {} on {}; a call among several in a row, median of {}, the slowest rank's", team.words(),
                      device.is_cuda() ? nccl_library() : mpi_library(), device_name(device), runs),
          {to_table(peak), to_table(rows, peak), std::move(smallest)},
          busiest,
          "size: of what a rank passes, or ends up with (all_gather), its own part included\n"
          "GB/s: what a rank sends to others (in a broadcast: rank 0), by the time; 10^9 bytes"};
}

}  // namespace wf
