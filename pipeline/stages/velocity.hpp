// pipeline/stages/velocity.hpp: the velocity of a clip at the steps of one expert.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "jobs/job.hpp"
#include "pipeline/execution.hpp"
#include "pipeline/model/dit.hpp"
#include "pipeline/types.hpp"

namespace wf {

/// The embeddings of a clip's prompt (conditional branch) and negative prompt (unconditional branch). The latter is
/// undefined where no expert is guided.
struct TextPair {
  Embeddings prompt, negative;
};

/// The inputs of the expert that are the same in all of its steps, computed once.
struct Conditions {
  /// One context per forward of a step. With guidance: two of batch 1 (the conditional one first), or one of batch 2,
  /// or, where the group's ranks split the guidance branches, the one of batch 1 of this rank's branch. Without: the
  /// conditional one of batch 1, on every rank.
  std::vector<TextContext> contexts;
  at::Tensor rope;                 ///< rope_table() of the clip's token grid
  std::optional<double> guidance;  ///< the expert's scale
};
/// Computes them on the expert's device. x [16, t, h, w] is any sample of the clip; only its shape is used. Without
/// guidance text.negative is not read.
Conditions make_conditions(const at::Tensor& x, const TextPair& text, std::optional<double> guidance,
                           const DitWeights& expert, const Execution& execution);

/// What becomes of the forward of a guidance branch in a step.
enum class BranchWork {
  computed,
  kept,    ///< computed, and its residual is kept for later steps
  reused,  ///< made with the residual that an earlier step kept
  none     ///< The step is not guided.
};
struct StepWork {
  BranchWork conditional = BranchWork::computed, unconditional = BranchWork::computed;
  bool operator==(const StepWork&) const = default;
  bool reuse_any() const { return conditional == BranchWork::reused || unconditional == BranchWork::reused; }
};
/// Those of step `step` of a clip, by an expert that is guided or not.
StepWork work_of_step(const SavedForwards& saved, bool is_guided, std::int64_t step);

/// What all blocks together added to the residual stream in the last forward of each branch whose residual was kept
/// (forward_rows()): this rank's rows.
struct Residuals {
  at::Tensor conditional, unconditional;
};

/// The velocity of a clip as a function of sample and timestep, computed by one expert. Where records_forwards() says
/// so its forwards are recorded at the second call and replayed from then on; the first call lets libraries and
/// exchanges between ranks set up what they need. A replay gives the same bits. Collective over execution.ranks. For
/// one thread.
class VelocityField {
 public:
  VelocityField(Conditions conditions, DitWeights expert, Execution execution);
  ~VelocityField();

  /// v_cond, and under classifier-free guidance v_uncond + guidance (v_cond - v_uncond). x is [16, t, h, w] f32, the
  /// same shape in all calls, and so is the result. Every rank passes the same arguments. All get the same result, but
  /// that without guidance two branches which cut the sequence differently compute the same velocity twice, each with
  /// its own last bits. Throws environment when forwards cannot be recorded that have to be.
  at::Tensor at(const at::Tensor& x, double timestep);
  /// The same with forwards that are left out, of branches that are not batched. `residuals` is read and written as
  /// they say.
  at::Tensor at(const at::Tensor& x, double timestep, const StepWork& work, Residuals& residuals);

 private:
  struct Recording;

  const SequenceGroup* ranks() const;
  bool is_conditional(std::size_t context) const;
  at::Tensor rows_of(const TextContext& context, const at::Tensor& x, const TimeEmbedding& time,
                     at::Tensor* residual = nullptr) const;
  std::vector<at::Tensor> rows(const at::Tensor& x, const TimeEmbedding& time) const;
  std::vector<at::Tensor> rows(const at::Tensor& x, const TimeEmbedding& time, const StepWork& work,
                               Residuals& residuals) const;
  std::vector<at::Tensor> velocities(const std::vector<at::Tensor>& rows, const at::Tensor& x) const;
  bool shall_record(const at::Tensor& x) const;
  void record(const at::Tensor& x, const TimeEmbedding& time);

  Conditions conditions_;
  DitWeights expert_;
  Execution execution_;
  bool has_run_ = false;
  std::unique_ptr<Recording> recording_;
};

}  // namespace wf
