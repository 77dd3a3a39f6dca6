// launcher/planner/hardware.hpp: what a plan is made for: GPUs, how fast they are, and how they are linked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace wf {

/// What one kind of GPU does, or a CPU. Seconds are those of the published model (dim 5120, 40 blocks) in `exact`, of a
/// CPU in `reference`; other sizes are scaled by their arithmetic (time_model.hpp). Rates are bytes a second of one
/// GPU, in one direction.
struct GpuFigures {
  std::string kind;                ///< "h200"; "cpu"
  std::string source;              ///< where the figures are from: "measured", "estimated", a calibration's words
  std::uint64_t memory_bytes = 0;  ///< of such a GPU, as its driver counts them
  double token_seconds = 0;        ///< a of a L + b L^2, seconds of a forward of L tokens
  double pair_seconds = 0;         ///< b
  double f32_factor = 1;           ///< how much longer a forward takes in `reference`
  double decode_seconds = 0;       ///< of a pixel of a frame, f32
  double decode_tf32_seconds = 0;  ///< the same with --tf32
  double text_seconds = 0;         ///< both texts of a clip
  double memory_rate = 0;          ///< of the GPU's own memory
  double host_rate = 0;            ///< from pinned host memory
  double node_rate = 0;            ///< to the other GPUs of its node
  double world_rate = 0;           ///< to GPUs of other nodes
  double message_seconds = 0;      ///< before a collective moves anything
  double threads = 0;              ///< of a CPU: that the seconds were measured with
  bool is_cpu() const { return kind == "cpu"; }
};

/// h200, h100, a100, l40s, rtx4090, generic: the h200 as we measured it (docs/performance.md), the others scaled from
/// it by public peak figures.
const std::vector<GpuFigures>& known_gpus();

/// Throws input for an unknown kind, listing the known ones.
const GpuFigures& gpu_figures(const std::string& kind);

/// Estimated, for a rank that computes with so many threads.
GpuFigures cpu_figures(int threads);
/// As many threads share the work as if it could be cut without loss. Of a GPU: unchanged.
GpuFigures with_threads(GpuFigures figures, int threads);

/// The kind whose name stands in a device's ("NVIDIA H200" -> "h200", "cpu" -> "cpu"); else "generic".
std::string kind_of_device(const std::string& device_name);

/// What a plan is made for. Every rank has one GPU, or is one of the processes that share a node's CPU.
struct Hardware {
  std::vector<int> nodes = {1};    ///< GPUs of each node
  std::uint64_t memory_bytes = 0;  ///< of each GPU that may be used
  GpuFigures gpu;
  std::uint64_t host_bytes = 0;  ///< memory of a node; 0: not known, and not looked at

  int gpus() const;
  int most_on_a_node() const;
  bool inside_a_node(int ranks) const;  ///< groups of so many ranks, cut one after the other, never span two nodes
};

Hardware equal_nodes(int nodes, int gpus_each, std::uint64_t memory_bytes, GpuFigures gpu);

}  // namespace wf
