// pipeline/execution.hpp: how clips are computed: one value per run, which is passed down and never global.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/files.hpp"
#include "parallel/rank_group.hpp"
#include "pipeline/exact_blocks.hpp"
#include "pipeline/kernels/attention.hpp"
#include "pipeline/types.hpp"

namespace wf {

/// The code that computes self-attention. automatic: the first of fa3, cudnn and math that supports the device, the
/// dtype and the head size; with Precision::fp8, fa3_fp8. fa3_fp8: FlashAttention-3 of 8-bit numbers.
enum class AttentionBackend { automatic, math, cudnn, fa3, fa3_fp8 };
constexpr const char* to_string(AttentionBackend backend) {
  constexpr const char* names[] = {"auto", "math", "cudnn", "fa3", "fa3-fp8"};
  return names[static_cast<int>(backend)];
}

/// Whether a GPU's forwards are recorded as CUDA graphs and replayed: records_forwards().
enum class CudaGraphs { automatic, on, off };
constexpr const char* to_string(CudaGraphs graphs) {
  constexpr const char* names[] = {"auto", "on", "off"};
  return names[static_cast<int>(graphs)];
}

/// Where the two experts are kept. both: on the device. exchanged: one on the device, the other in pinned host memory.
/// one: one on the device; the other is read again when it is needed.
enum class Residency { both, exchanged, one };

/// Where converted experts are kept for later starts (experts/expert_cache.hpp).
struct WeightsCache {
  Path folder = {};                       ///< empty: nowhere
  std::uint64_t limit = 200'000'000'000;  ///< bytes that the folder may hold
};

/// The choices of one run on one rank.
struct Execution {
  Precision precision = Precision::reference;
  /// as_computed or fp8: how experts are kept on the device.
  WeightForm weights = WeightForm::as_computed;
  at::Device device = at::kCPU;               ///< of experts and VAE
  int capability = 0;                         ///< of a GPU: its compute capability times ten; 0: not known
  at::Device text_device = at::kCPU;          ///< of the text encoder
  GuidanceMode guidance = GuidanceMode::two;  ///< `automatic` counts as `two` here: the run's plan resolves it
  NoiseSource noise = NoiseSource::cpu;
  AttentionBackend backend = AttentionBackend::automatic;
  at::ScalarType vae = at::kFloat;  ///< the VAE's weights and features: f32, or bf16 with sums in f32
  bool tf32 = false;                ///< f32 matrix products and convolutions in TF32 (10 bits of mantissa)
  Residency residency = Residency::both;
  /// Moves the expert on the device to pinned host memory while a clip is decoded. No effect with Residency::both.
  bool offload_expert_for_decode = false;
  /// So many blocks of each expert wait in host memory and travel to the device for every forward, spread evenly among
  /// the others; with Residency::exchanged alone.
  int streamed_blocks = 0;
  bool split_decode = false;      ///< the ranks of a group decode its clips together, each some rows of every frame
  bool keep_text_encoder = true;  ///< false: the text encoder is dropped from its device once texts are encoded
  SelfAttention attention;        ///< self-attention of the experts on one rank; empty: the one of choose_attention()
  /// So many steps at the beginning and at the end of a clip are computed without products of 8-bit numbers. Empty: one
  /// of clips of at least 10 steps, so that no more than a fifth of the time is the price.
  std::optional<std::int64_t> fp8_exact_steps = {};
  ExactBlocks exact_blocks = {};  ///< are computed without them in every step
  CudaGraphs cuda_graphs = CudaGraphs::automatic;
  WeightsCache weights_cache = {};
  std::shared_ptr<const RankGroup> ranks = {};  ///< the group that denoises a clip together; null: this rank alone
};

/// The self-attention of a run and its backend's name: "math", "cudnn", "fa3", "fa3-fp8", or "math-fp8", which rounds
/// as fa3-fp8 does.
struct ChosenAttention {
  std::string name;
  SelfAttention attention;
};

/// Whether self-attention is computed from 8-bit numbers.
bool attends_in_fp8(const Execution& execution);

/// Whether anything is computed from 8-bit numbers: linear layers or self-attention.
bool computes_in_8_bits(const Execution& execution);

/// Whether forwards of `rows` rows of tokens, those of all samples, are recorded where `ranks` ranks share a clip. With
/// CudaGraphs::automatic they are on a GPU alone, and only up to 10,000 rows: replays of them are up to 0.7 % faster on
/// an H200, those of more rows, and of ranks that share them, not measurably. Never where blocks are streamed.
bool records_forwards(const Execution& execution, std::int64_t rows, int ranks);

/// Throws environment when the device cannot multiply as the precision says (a CPU can in every precision, if slowly),
/// and input for exact blocks where nothing is computed from 8-bit numbers.
void check_precision(const Execution& execution);
/// The same of a GPU that is elsewhere. capability: its compute capability times ten, or 0 where it is not known and
/// all is taken to be possible. Also refuses attention backends that such a GPU does not have, which a run finds out
/// when it chooses its attention.
void check_precision(const Execution& execution, const std::string& gpu, int capability);

/// How many steps at each end of a clip of `steps` steps are computed without products of 8-bit numbers, where others
/// are.
std::int64_t exact_steps_at_each_end(const Execution& execution, std::int64_t steps);
/// Whether a step, counted from 0, of a clip of `steps` steps is computed without products of 8-bit numbers.
bool is_exact_step(const Execution& execution, std::int64_t step, std::int64_t steps);

/// The same choices without products of 8-bit numbers.
Execution exactly(Execution execution);

/// The self-attention for heads of head_dim elements. In f32 only math is chosen, for it alone computes in f32. Throws
/// environment, with the reason, when execution.backend names a backend that cannot be used here, or Precision::fp8
/// has none; input when it names one that does not compute what the precision says.
ChosenAttention choose_attention(const Execution& execution, std::int64_t head_dim);

/// Turns TF32 on or off for LibTorch's f32 matrix products and convolutions, in the whole process.
void use_tf32(bool on);
/// The same as long as it lives; afterwards it is as it was before.
class Tf32Meanwhile {
 public:
  explicit Tf32Meanwhile(bool on);
  ~Tf32Meanwhile() { use_tf32(before_); }
  Tf32Meanwhile(const Tf32Meanwhile&) = delete;
  Tf32Meanwhile& operator=(const Tf32Meanwhile&) = delete;

 private:
  const bool before_;
};

}  // namespace wf
