// pipeline/execution.hpp: how clips are computed. One value for a whole run, passed down, never global.
#pragma once

#include <c10/core/Device.h>

#include <memory>
#include <string>

#include "parallel/attention.hpp"
#include "parallel/rank_group.hpp"
#include "pipeline/types.hpp"

namespace wf {

/// Which code computes self-attention. automatic: the first of fa3, cudnn and math that fits.
enum class AttentionBackend { automatic, math, cudnn, fa3 };

/// Where the two experts lie. both: on the device. exchanged: one there, the other in pinned host memory until it is
/// used. one: one there, and nothing is kept of the other.
enum class Residency { both, exchanged, one };

struct Execution {
  Precision precision = Precision::reference;
  at::Device device = at::kCPU;
  at::Device text_device = at::kCPU;          ///< of the text encoder
  GuidanceMode guidance = GuidanceMode::two;  ///< automatic: as the run's plan decides
  NoiseSource noise = NoiseSource::cpu;
  AttentionBackend backend = AttentionBackend::automatic;
  bool tf32 = false;  ///< f32 products and convolutions in TF32 (10 bits of mantissa)
  Residency residency = Residency::both;
  bool expert_leaves = false;     ///< the expert leaves the device for pinned host memory while a clip is decoded
  bool keep_text_encoder = true;  ///< false: it leaves the device once texts are encoded
  Attention attention;            ///< self-attention of the experts on one rank; empty: choose_attention()'s
  std::shared_ptr<const RankGroup> ranks = {};  ///< that denoise a clip together; none: this process alone
};

/// A backend that was chosen, and its name: "math", "cudnn", "fa3".
struct ChosenAttention {
  std::string name;
  Attention attention;
};

/// The backend for heads of this size; f32 takes math, which alone keeps f32. Throws environment when the one asked for
/// does not fit, saying why.
ChosenAttention choose_attention(const Execution& execution, std::int64_t head_dim);

/// Makes LibTorch take TF32 for f32 products and convolutions, or not. Global to the process.
void use_tf32(bool on);

}  // namespace wf
