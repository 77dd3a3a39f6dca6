#include "launcher/planner/hardware.hpp"

#include <algorithm>
#include <cctype>
#include <limits>
#include <numeric>

#include "base/error.hpp"
#include "base/text.hpp"

namespace wf {
namespace {

/// Public peak figures: GiB, dense bf16, TF32 and f32 TFLOP/s and TB/s from data sheets; attention in TFLOP/s as
/// published kernels reach it. Host, node and world are links in GB/s as usual servers have them. The compute
/// capability is times ten.
struct Peak {
  const char* kind;
  int capability;
  double gibibytes, bf16, tf32, f32, bandwidth, attention, host, node, world;
};
constexpr Peak peaks[] = {
    {"h200", 90, 139.8, 989, 494, 67, 4.8, 660, 50, 290, 40},  // own measurements replace what they cover
    {"h100", 90, 79.1, 989, 494, 67, 3.35, 660, 50, 290, 40},
    {"a100", 80, 79.1, 312, 156, 19.5, 2.04, 187, 24, 190, 20},
    {"l40s", 89, 44.4, 362, 183, 91.6, 0.864, 217, 24, 20, 10},
    {"rtx4090", 89, 23.5, 165, 82.6, 82.6, 1.008, 99, 24, 20, 1},
    {"generic", 0, 23.5, 100, 50, 20, 0.6, 60, 12, 10, 1},
};

/// From docs/performance.md. a and b fit two forwards with FlashAttention-3: 2.536 s at 832x480 (32,760 tokens) and
/// 9.874 s at 1280x720 (75,600 tokens). Decoding is that of 1280x720, by our convolutions.
GpuFigures measured_h200() {
  constexpr double small = 32760, large = 75600, small_seconds = 2.536, large_seconds = 9.874;
  GpuFigures h200{.kind = "h200", .source = "measured (docs/performance.md); link between nodes estimated"};
  h200.pair_seconds = (large_seconds / large - small_seconds / small) / (large - small);
  h200.token_seconds = small_seconds / small - h200.pair_seconds * small;
  h200.decode_seconds = 9.9e-8;
  h200.decode_tf32_seconds = 3.07e-8;
  h200.decode_bf16_seconds = 1.91e-8;
  h200.text_seconds = 0.022;
  return h200;
}

/// The same by cuDNN, as GPUs decode that our convolutions do not run on.
void decode_by_library(GpuFigures& h200) {
  h200.decode_seconds = 3.07e-7;
  h200.decode_tf32_seconds = 7.05e-8;
  h200.decode_bf16_seconds = 3.8e-8;
}

GpuFigures figures_of(const Peak& gpu) {
  const Peak& h200 = peaks[0];
  GpuFigures figures = measured_h200();
  if (gpu.kind != std::string(h200.kind))
    figures.kind = gpu.kind, figures.source = "estimated from public peak figures and an h200's measured ones";
  const double slower_memory = h200.bandwidth / gpu.bandwidth;  // decoding is bound by one or the other
  const bool by_library = gpu.capability != h200.capability;    // ours computes f32 as products of TF32 numbers
  if (by_library) decode_by_library(figures);
  figures.capability = gpu.capability;
  figures.memory_bytes = static_cast<std::uint64_t>(gpu.gibibytes * (1ull << 30));
  figures.token_seconds *= h200.bf16 / gpu.bf16;
  figures.pair_seconds *= h200.attention / gpu.attention;
  figures.f32_factor = gpu.bf16 / gpu.f32;
  figures.decode_seconds *= std::max(by_library ? h200.f32 / gpu.f32 : h200.tf32 / gpu.tf32, slower_memory);
  figures.decode_tf32_seconds *= std::max(h200.tf32 / gpu.tf32, slower_memory);
  figures.decode_bf16_seconds *= std::max(h200.bf16 / gpu.bf16, slower_memory);
  figures.text_seconds *= std::max(h200.bf16 / gpu.bf16, slower_memory);
  figures.memory_rate = 4.21e12 / slower_memory;
  figures.host_rate = gpu.host * 1e9, figures.node_rate = gpu.node * 1e9, figures.world_rate = gpu.world * 1e9;
  figures.message_seconds = 2e-5;
  return figures;
}

}  // namespace

const std::vector<GpuFigures>& known_gpus() {
  static const std::vector<GpuFigures> known = [] {
    std::vector<GpuFigures> all;
    for (const Peak& gpu : peaks) all.push_back(figures_of(gpu));
    return all;
  }();
  return known;
}

const GpuFigures& gpu_figures(const std::string& kind) {
  std::vector<std::string> kinds;
  for (const GpuFigures& gpu : known_gpus()) {
    if (gpu.kind == kind) return gpu;
    kinds.push_back(gpu.kind);
  }
  throw Error(Error::input, "'" + kind + "' is no GPU with known figures; there are " + join(kinds, ", "));
}

/// Scaled from one thread on a core of a recent server, at the rates that LibTorch's f32 products, blockwise softmax
/// and convolutions reach there. Ranks of a node communicate through its memory. `wanfarm bench calibrate` measures the
/// actual node.
GpuFigures cpu_figures(int threads) {
  GpuFigures cpu{.kind = "cpu", .source = "estimated from the number of cores"};
  cpu.token_seconds = 0.5, cpu.pair_seconds = 2e-5;
  cpu.decode_seconds = cpu.decode_tf32_seconds = cpu.decode_bf16_seconds = 1e-4;
  cpu.text_seconds = 20;
  cpu.memory_rate = 1e10, cpu.host_rate = 2e9, cpu.node_rate = 2e9, cpu.world_rate = 1e9;
  cpu.message_seconds = 2e-4;
  cpu.threads = 1;
  return with_threads(cpu, threads);
}

GpuFigures with_threads(GpuFigures figures, int threads) {
  if (!figures.is_cpu()) return figures;
  const double factor = figures.threads / threads;
  for (double* const seconds : {&figures.token_seconds, &figures.pair_seconds, &figures.decode_seconds,
                                &figures.decode_tf32_seconds, &figures.decode_bf16_seconds, &figures.text_seconds})
    *seconds *= factor;
  figures.threads = threads;
  return figures;
}

/// Blanks, "_" and "-" do not count: Slurm's types are written "nvidia_geforce_rtx_4090".
std::string kind_of_device(const std::string& device_name) {
  std::string name;
  for (const char character : device_name)
    if (character != ' ' && character != '_' && character != '-')
      name += static_cast<char>(std::tolower(static_cast<unsigned char>(character)));
  if (name == "cpu") return name;
  for (const GpuFigures& gpu : known_gpus())
    if (name.find(gpu.kind) != std::string::npos) return gpu.kind;
  return "generic";
}

int Hardware::gpus() const { return std::accumulate(nodes.begin(), nodes.end(), 0); }

int Hardware::most_on_a_node() const { return *std::ranges::max_element(nodes); }

bool Hardware::inside_a_node(int ranks) const {
  return nodes.size() == 1 || std::ranges::all_of(nodes, [&](int gpus) { return gpus % ranks == 0; });
}

Hardware Hardware::as_seen_by(int first, int count) const {
  Hardware seen{.nodes = nodes, .memory_bytes = memory_bytes, .gpu = gpu, .host_bytes = host_bytes};
  if (kinds.empty()) return seen;
  seen.gpu = {}, seen.memory_bytes = std::numeric_limits<std::uint64_t>::max();
  int begin = 0;
  for (const AlikeGpus& kind : kinds) {
    const bool among = begin < first + count && begin + kind.count > first;
    begin += kind.count;
    if (!among) continue;
    seen.memory_bytes = std::min(seen.memory_bytes, kind.memory_bytes);
    if (kind.gpu.token_seconds > seen.gpu.token_seconds) seen.gpu = kind.gpu;
  }
  return seen;
}

Hardware equal_nodes(int nodes, int gpus_each, std::uint64_t memory_bytes, GpuFigures gpu) {
  return {std::vector<int>(static_cast<std::size_t>(nodes), gpus_each), memory_bytes, std::move(gpu)};
}

Hardware mixed_nodes(std::vector<int> nodes, std::vector<AlikeGpus> kinds) {
  Hardware hardware{.nodes = std::move(nodes), .gpu = {}, .kinds = std::move(kinds)};
  const Hardware least = hardware.as_seen_by(0, hardware.gpus());
  hardware.memory_bytes = least.memory_bytes, hardware.gpu = least.gpu;
  return hardware;
}

}  // namespace wf
