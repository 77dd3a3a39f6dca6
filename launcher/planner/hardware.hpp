// launcher/planner/hardware.hpp: the nodes and GPUs that a plan is made for, and how fast they and their links are.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace wf {

/// The speed of one kind of GPU, or of a CPU. Times are in seconds, for the published model (dim 5120, 40 blocks) in
/// precision `exact`, on a CPU in `reference`; other sizes are scaled by their arithmetic (time_model.hpp). Rates are
/// bytes a second of one GPU in one direction.
struct GpuFigures {
  std::string kind;    ///< "h200", or "cpu".
  std::string source;  ///< Where the figures are from: "measured", "estimated", or the text of a calibration.
  int capability = 0;  ///< Compute capability times ten; 0: not known.
  std::uint64_t memory_bytes = 0;  ///< Memory of such a GPU, as its driver counts it.
  double token_seconds = 0;        ///< a in a L + b L^2, the time of a forward of L tokens.
  double pair_seconds = 0;         ///< b in a L + b L^2.
  double f32_factor = 1;           ///< How many times longer a forward takes in `reference`.
  double decode_seconds = 0;       ///< Decoding one pixel of one frame in f32.
  double decode_tf32_seconds = 0;  ///< Decoding one pixel of one frame with --tf32.
  double decode_bf16_seconds = 0;  ///< Decoding one pixel of one frame with --vae-precision bf16.
  double text_seconds = 0;         ///< Embedding both texts of a clip.
  double memory_rate = 0;          ///< Bytes a second that the GPU's own memory reads and writes.
  double host_rate = 0;            ///< From pinned host memory to the GPU.
  double node_rate = 0;            ///< To the other GPUs of the node.
  double world_rate = 0;           ///< To GPUs of other nodes.
  double message_seconds = 0;      ///< Latency of a collective.
  double threads = 0;              ///< On a CPU: threads that the times hold for.
  bool is_cpu() const { return kind == "cpu"; }
};

/// Built-in figures of h200, h100, a100, l40s, rtx4090 and generic. Those of the h200 were measured
/// (docs/performance.md); the others are scaled from them by public peak figures.
const std::vector<GpuFigures>& known_gpus();

/// The built-in figures of a kind. Throws input, listing the known kinds, for another one.
const GpuFigures& gpu_figures(const std::string& kind);

/// Estimated figures of a CPU rank that computes with this many threads.
GpuFigures cpu_figures(int threads);

/// The figures of a CPU with another number of threads, assuming perfect scaling; those of a GPU unchanged.
GpuFigures with_threads(GpuFigures figures, int threads);

/// The known kind that a device's name contains ("NVIDIA H200" -> "h200", "cpu" -> "cpu"), or else "generic".
std::string kind_of_device(const std::string& device_name);

/// Consecutive GPUs of one kind, of a cluster that has several kinds.
struct AlikeGpus {
  int count = 1;
  std::uint64_t memory_bytes = 0;  ///< Usable memory of each.
  GpuFigures gpu;
};

/// The hardware that a plan is made for. Every rank has one GPU, or is one of the processes that share a node's CPU; a
/// CPU rank counts as a GPU here.
struct Hardware {
  std::vector<int> nodes = {1};       ///< Number of GPUs of each node.
  std::uint64_t memory_bytes = 0;     ///< Usable memory of each GPU; of kinds that differ, the least.
  GpuFigures gpu;                     ///< Of kinds that differ, the slowest.
  std::uint64_t host_bytes = 0;       ///< Memory of a node; 0: unknown, and not checked.
  std::vector<AlikeGpus> kinds = {};  ///< All GPUs, node after node, where they differ; empty: they are alike.

  int gpus() const;
  int most_on_a_node() const;
  /// True when groups of this many consecutive ranks never span two nodes.
  bool inside_a_node(int ranks) const;
  /// The same nodes as if all GPUs were alike: with the least memory and the slowest figures of `count` GPUs, from
  /// number `first` (from 0) on.
  Hardware as_seen_by(int first, int count) const;
};

/// `nodes` nodes with `gpus_each` GPUs each and unknown host memory.
Hardware equal_nodes(int nodes, int gpus_each, std::uint64_t memory_bytes, GpuFigures gpu);

/// Nodes with GPUs of these kinds, one after the other; as many as the nodes have. Host memory is unknown.
Hardware mixed_nodes(std::vector<int> nodes, std::vector<AlikeGpus> kinds);

}  // namespace wf
