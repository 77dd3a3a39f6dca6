#include "pipeline/stages/velocity.hpp"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "base/error.hpp"
#include "parallel/device_graph.hpp"
#include "parallel/device_span.hpp"
#include "pipeline/model/rope.hpp"

namespace wf {
namespace {

/// Whether each rank of the group computes one guidance branch instead of both.
bool splits_guidance(const Execution& execution) { return execution.ranks && execution.ranks->branches() == 2; }

std::int64_t batch_of(const TextContext& context) { return context.blocks.front().k.size(0); }

/// What becomes of the forward of a branch in a step, given the steps that reuse a residual.
BranchWork work_of_branch(const std::vector<int>& reused, std::int64_t step) {
  const auto reuses = [&](std::int64_t some) { return std::ranges::binary_search(reused, some); };
  if (reuses(step)) return BranchWork::reused;
  return reuses(step + 1) ? BranchWork::kept : BranchWork::computed;
}

}  // namespace

StepWork work_of_step(const SavedForwards& saved, bool is_guided, std::int64_t step) {
  StepWork work{work_of_branch(saved.conditional, step)};
  if (!is_guided) return work;
  const bool is_unguided_step = std::ranges::binary_search(saved.unguided, step);
  work.unconditional = is_unguided_step ? BranchWork::none : work_of_branch(saved.unconditional, step);
  return work;
}

Conditions make_conditions(const at::Tensor& x, const TextPair& text, std::optional<double> guidance,
                           const DitWeights& expert, const Execution& execution) {
  const at::Tensor rope = rope_table(token_grid(x), expert.head_dim(), expert.device());
  const at::Tensor prompt = text.prompt.text.to(expert.device());
  if (!guidance) return {{embed_text(expert, {prompt})}, rope, guidance};
  const at::Tensor negative = text.negative.text.to(expert.device());
  if (splits_guidance(execution))
    return {{embed_text(expert, {execution.ranks->branch() == 0 ? prompt : negative})}, rope, guidance};
  if (execution.guidance == GuidanceMode::batched) return {{embed_text(expert, {prompt, negative})}, rope, guidance};
  return {{embed_text(expert, {prompt}), embed_text(expert, {negative})}, rope, guidance};
}

/// The forwards of a step as a graph, and the tensors that it reads and writes.
struct VelocityField::Recording {
  at::Tensor x;
  TimeEmbedding time;
  std::vector<at::Tensor> rows;
  DeviceGraph graph;

  Recording(const VelocityField& field, const at::Tensor& first_x, const TimeEmbedding& first_time)
      : x(first_x.clone()), time{first_time.e.clone(), first_time.e0.clone()}, graph(x.device(), [&] {
          rows = field.rows(x, time);
        }) {}
  ~Recording() { rows.clear(); }  // before the graph, so that it can return their memory
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  const std::vector<at::Tensor>& replay(const at::Tensor& new_x, const TimeEmbedding& new_time) {
    x.copy_(new_x);
    time.e.copy_(new_time.e);
    time.e0.copy_(new_time.e0);
    graph.replay();
    return rows;
  }
};

VelocityField::VelocityField(Conditions conditions, DitWeights expert, Execution execution)
    : conditions_(std::move(conditions)), expert_(std::move(expert)), execution_(std::move(execution)) {}
VelocityField::~VelocityField() = default;

const SequenceGroup* VelocityField::ranks() const { return execution_.ranks ? &execution_.ranks->sequence() : nullptr; }

/// Whether a context of batch 1 is that of the prompt.
bool VelocityField::is_conditional(std::size_t context) const {
  return conditions_.guidance && splits_guidance(execution_) ? execution_.ranks->branch() == 0 : context == 0;
}

at::Tensor VelocityField::rows_of(const TextContext& context, const at::Tensor& x, const TimeEmbedding& time,
                                  at::Tensor* residual) const {
  const at::Tensor samples = x.unsqueeze(0).expand({batch_of(context), -1, -1, -1, -1});
  return forward_rows(expert_, samples, time, context, conditions_.rope, execution_.attention, ranks(), residual);
}

/// The rows of each context.
std::vector<at::Tensor> VelocityField::rows(const at::Tensor& x, const TimeEmbedding& time) const {
  std::vector<at::Tensor> all;
  for (const TextContext& context : conditions_.contexts) all.push_back(rows_of(context, x, time));
  return all;
}

/// The same, undefined where the context's branch has no forward.
std::vector<at::Tensor> VelocityField::rows(const at::Tensor& x, const TimeEmbedding& time, const StepWork& work,
                                            Residuals& residuals) const {
  std::vector<at::Tensor> all;
  for (std::size_t i = 0; i < conditions_.contexts.size(); ++i) {
    WF_CHECK(batch_of(conditions_.contexts[i]) == 1);
    const BranchWork of_branch = is_conditional(i) ? work.conditional : work.unconditional;
    at::Tensor& residual = is_conditional(i) ? residuals.conditional : residuals.unconditional;
    WF_CHECK(of_branch != BranchWork::reused || residual.defined());
    if (of_branch == BranchWork::none)
      all.emplace_back();
    else if (of_branch == BranchWork::reused)
      all.push_back(forward_rows_from(residual, expert_, x.unsqueeze(0), time, ranks()));
    else
      all.push_back(rows_of(conditions_.contexts[i], x, time, of_branch == BranchWork::kept ? &residual : nullptr));
  }
  return all;
}

bool VelocityField::shall_record(const at::Tensor& x) const {
  const std::int64_t batch = batch_of(conditions_.contexts.front());
  const int size = execution_.ranks ? execution_.ranks->size() : 1;
  if (!has_run_ || !records_forwards(execution_, batch * token_grid(x).tokens(), size)) return false;
  if (ranks() && !ranks()->can_be_recorded()) return false;
  // Spans of parts of a forward are not measured in replays, so they come first unless graphs were asked for.
  return execution_.cuda_graphs == CudaGraphs::on || !device_spans_wanted();
}

void VelocityField::record(const at::Tensor& x, const TimeEmbedding& time) {
  try {
    recording_ = std::make_unique<Recording>(*this, x, time);
  } catch (const c10::Error& error) {
    // The exchanges of a group are in the middle of a call then, and other ranks wait for the rest of it.
    if (ranks()) throw;
    if (execution_.cuda_graphs == CudaGraphs::on)
      throw Error(Error::environment, std::string("--cuda-graphs on: ") + error.what_without_backtrace());
    spdlog::warn("forwards are queued operation by operation, not as CUDA graphs: {}", error.what_without_backtrace());
    execution_.cuda_graphs = CudaGraphs::off;
  }
}

/// The velocities of all branches, in order. That of a branch without a forward is undefined, or any.
std::vector<at::Tensor> VelocityField::velocities(const std::vector<at::Tensor>& rows, const at::Tensor& x) const {
  std::vector<at::Tensor> own;
  for (const at::Tensor& of_context : rows) {
    if (of_context.defined())
      for (const at::Tensor& velocity : join_rows(of_context, token_grid(x), expert_.precision, ranks()).unbind(0))
        own.push_back(velocity);
    else
      own.emplace_back();
  }
  if (!conditions_.guidance || !splits_guidance(execution_)) return own;
  return execution_.ranks->share(own.front().defined() ? own.front() : at::zeros_like(x));
}

at::Tensor VelocityField::at(const at::Tensor& x, double timestep) {
  Residuals none;
  return at(x, timestep, {}, none);
}

at::Tensor VelocityField::at(const at::Tensor& x, double timestep, const StepWork& work, Residuals& residuals) {
  const TimeEmbedding time = embed_time(expert_, {timestep});
  const bool all_computed = work == StepWork{};
  if (all_computed && !recording_ && shall_record(x)) record(x, time);
  const std::vector<at::Tensor> own = !all_computed ? rows(x, time, work, residuals)
                                      : recording_  ? recording_->replay(x, time)
                                                    : rows(x, time);
  has_run_ = true;
  const std::vector<at::Tensor> branches = velocities(own, x);
  if (!conditions_.guidance || work.unconditional == BranchWork::none) return branches.front();
  const at::Tensor &conditional = branches[0], &unconditional = branches[1];
  return at::add(unconditional, conditional - unconditional, *conditions_.guidance);
}

}  // namespace wf
