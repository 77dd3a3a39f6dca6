// tests/pipeline/model/tiny_dit.hpp: the experts of the golden checkpoint on the test's device, and their forward.
#pragma once

#include <string>

#include "pipeline/kernels/attention.hpp"
#include "pipeline/model/dit.hpp"
#include "tests/golden.hpp"

namespace wf {

constexpr std::int64_t golden_timesteps[] = {999, 876, 437};

/// The expert "high" or "low" of the golden checkpoint.
inline DitWeights tiny_dit(const std::string& expert, Precision precision) {
  const Path folder = golden_model() / (expert + "_noise_model");
  return load_dit({Network::expert, folder}, read_dit_config(folder / "config.json"), precision, test::device());
}

/// One forward of batch 1 of x [16, t, h, w] and text [n, text_dim]. Collective over `ranks`, if any.
inline at::Tensor forward(const DitWeights& weights, const at::Tensor& x, std::int64_t t, const at::Tensor& text,
                          const SelfAttention& attention = math_attention(), const SequenceGroup* ranks = nullptr) {
  const at::Tensor rope = rope_table(token_grid(x), weights.head_dim(), weights.device());
  const TextContext context = embed_text(weights, {text});
  return dit_forward(weights, x.unsqueeze(0), embed_time(weights, {static_cast<double>(t)}), context, rope, attention,
                     ranks)
      .squeeze(0);
}

/// Expects our bf16 results with this attention to be at most 1.2 times as far from the official f32 results as the
/// official bf16 results are.
inline void expect_exact_is_near(const std::string& what, const SelfAttention& attention,
                                 const SequenceGroup* ranks = nullptr) {
  const Golden golden("dit.safetensors"), official("dit_bf16_gpu.safetensors");
  const at::Tensor text =
      Checkpoint(golden_folder() / "text.safetensors").load("0.bf16", at::kBFloat16, test::device());
  for (const std::string expert : {"high", "low"}) {
    const DitWeights weights = tiny_dit(expert, Precision::exact);
    for (const std::int64_t t : golden_timesteps) {
      const std::string name = expert + ".t" + std::to_string(t) + ".out";
      const double allowed = 1.2 * relative_distance(official["dit." + name], golden[name]);
      const at::Tensor ours = forward(weights, golden.input("x"), t, text, attention, ranks);
      expect_within(name + " bf16, " + what, relative_distance(ours, golden[name]), allowed);
    }
  }
}

}  // namespace wf
