#include "pipeline/stages/velocity.hpp"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "base/error.hpp"
#include "parallel/device_graph.hpp"
#include "parallel/device_span.hpp"
#include "pipeline/model/rope.hpp"

namespace wf {
namespace {

/// Whether each rank of the group computes one guidance branch instead of both.
bool splits_guidance(const Execution& execution) { return execution.ranks && execution.ranks->branches() == 2; }

}  // namespace

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

/// forward_rows() of each context.
std::vector<at::Tensor> VelocityField::rows(const at::Tensor& x, const TimeEmbedding& time) const {
  std::vector<at::Tensor> all;
  for (const TextContext& context : conditions_.contexts) {
    const at::Tensor samples = x.unsqueeze(0).expand({context.blocks.front().k.size(0), -1, -1, -1, -1});
    all.push_back(forward_rows(expert_, samples, time, context, conditions_.rope, execution_.attention, ranks()));
  }
  return all;
}

bool VelocityField::shall_record(const at::Tensor& x) const {
  const std::int64_t batch = conditions_.contexts.front().blocks.front().k.size(0);
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

at::Tensor VelocityField::at(const at::Tensor& x, double timestep) {
  const TimeEmbedding time = embed_time(expert_, {timestep});
  if (!recording_ && shall_record(x)) record(x, time);
  const std::vector<at::Tensor> own = recording_ ? recording_->replay(x, time) : rows(x, time);
  has_run_ = true;
  std::vector<at::Tensor> velocities;
  for (const at::Tensor& rows_of_context : own)
    for (const at::Tensor& velocity : join_rows(rows_of_context, token_grid(x), expert_.precision, ranks()).unbind(0))
      velocities.push_back(velocity);
  if (!conditions_.guidance) return velocities.front();
  if (splits_guidance(execution_)) velocities = execution_.ranks->share(velocities.front());
  const at::Tensor &conditional = velocities[0], &unconditional = velocities[1];
  return at::add(unconditional, conditional - unconditional, *conditions_.guidance);
}

}  // namespace wf
