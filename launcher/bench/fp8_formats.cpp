#include "launcher/bench/fp8_formats.hpp"

#include <ATen/ATen.h>

#include <utility>

#include "pipeline/model/rope.hpp"
#include "pipeline/weights/network_weights.hpp"

namespace wf {
namespace {

SelfAttention attention_in(const Bench& bench, Precision precision) {
  Execution execution = bench.models.execution();
  execution.precision = precision;
  if (multiplies_in_fp8(precision)) execution.backend = AttentionBackend::automatic;
  return choose_attention(execution, bench.models.parts().head_dim()).attention;
}

}  // namespace

at::Tensor Format::forward(const at::Tensor& x, double timestep) const {
  return dit_forward(weights, x.unsqueeze(0), embed_time(weights, {timestep}), text, rope, attention)[0];
}

at::Tensor Format::block(std::size_t index, const at::Tensor& stream, const TimeEmbedding& time) const {
  BlockAttention of_block(attention, stream.size(1));
  ResidualStream own{stream.clone()};
  run_block(weights, weights.blocks[index], own, time.e0, text.blocks[index], text.bias, rope, of_block);
  return own.sum();
}

Formats::Formats(const Bench& bench, Expert which)
    : bench_(bench), which_(which), prompt_(bench.models.embed(bench.job.prompt).text.to(bench.device())) {}

Format Formats::load(Precision precision) const {
  const ModelParts& parts = bench_.models.parts();
  const ExpertFiles& source = parts.files.expert(which_);
  const NetworkWeights files(source, which_);
  return with_inputs(load_dit(files, config_of(source, files), precision, bench_.device()), precision);
}

Format Formats::exact() const { return with_inputs(bench_.models.expert(which_), Precision::exact); }

Format Formats::with_inputs(const DitWeights& weights, Precision precision) const {
  return {weights, embed_text(weights, {prompt_}),
          rope_table(bench_.latents().grid(), weights.head_dim(), weights.device()), attention_in(bench_, precision)};
}

Format with_layers(Format exact, const Format& fp8, const std::vector<Linear DitBlock::*>& chosen) {
  for (std::size_t i = 0; i < exact.weights.blocks.size(); ++i)
    for (Linear DitBlock::*layer : chosen) exact.weights.blocks[i].*layer = fp8.weights.blocks[i].*layer;
  return exact;
}

Format with_exact_blocks(Format fp8, const Format& exact, const BlockNumbers& blocks) {
  for (const std::int64_t number : blocks) {
    const auto i = static_cast<std::size_t>(number);
    fp8.weights.blocks[i] = exact.weights.blocks[i];
    fp8.weights.blocks[i].is_exact = true;
    fp8.text.blocks[i] = exact.text.blocks[i];
  }
  return fp8;
}

}  // namespace wf
