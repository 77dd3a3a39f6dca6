// launcher/planner/hardware.hpp: what a plan is made for: GPUs, how fast they are, and how they are linked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cluster/files.hpp"

namespace wf {

/// What one kind of GPU does. Seconds are those of the published model (dim 5120, 40 blocks) in `exact`; other sizes
/// are scaled by their arithmetic (time_model.hpp). Rates are bytes a second of one GPU, in one direction.
struct GpuFigures {
  std::string kind;                ///< "h200"
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
};

/// h200, h100, a100, l40s, rtx4090, generic: the h200 as we measured it (docs/performance.md), the others scaled from
/// it by public peak figures.
const std::vector<GpuFigures>& known_gpus();

/// Throws input for an unknown kind, listing the known ones.
const GpuFigures& gpu_figures(const std::string& kind);

/// The kind whose name stands in a device's ("NVIDIA H200" -> "h200"); else "generic".
std::string kind_of_device(const std::string& device_name);

/// A calibration file:
///   {"wanfarm_calibration": 1, "gpus": {"KIND": {"source": "...", "token_seconds": ..., ...}}}
/// A kind may leave out keys, whose values then stay; keys are the members of GpuFigures. Returns `base` with what the
/// file says of its kind, unchanged where the file says nothing of it. Throws input naming the file and what is wrong.
GpuFigures calibrated(GpuFigures base, const Path& file);

/// Equal nodes with equal GPUs. Every rank has one GPU.
struct Hardware {
  int nodes = 1, gpus_per_node = 1;
  std::uint64_t memory_bytes = 0;  ///< of each GPU that may be used
  GpuFigures gpu;
  int gpus() const { return nodes * gpus_per_node; }
};

}  // namespace wf
