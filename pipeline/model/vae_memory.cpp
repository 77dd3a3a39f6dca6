// pipeline/model/vae_memory.cpp: how many bytes decoding takes, counted by walking the decoder's layers with sizes
// alone. It mirrors what vae.cpp keeps alive at once; a test compares the two.
#include <ATen/ATen.h>

#include <algorithm>

#include "parallel/shard.hpp"
#include "pipeline/model/vae.hpp"

namespace wf {
namespace {

using namespace vae;

/// The features between two layers, and what was counted so far, in elements.
struct Walk {
  std::int64_t channels, frames, rows, columns;
  std::int64_t frame_area = 0;  ///< of the latents of all ranks
  std::int64_t beside = 0;  ///< rows of neighbours that a kernel of 3 rows needs: 2 where ranks divide the rows, else 0
  ConvolutionCopies copies = ConvolutionCopies::none;
  std::int64_t cached = 0;  ///< two frames for each causal convolution
  std::int64_t widest = 0;  ///< most elements alive within one layer
  std::int64_t weights = 0;

  std::int64_t area() const { return rows * columns; }
  void alive(std::int64_t elements) { widest = std::max(widest, elements); }
  void weigh(const Conv& conv) { weights += conv.weight.defined() ? conv.weight.numel() + conv.bias.numel() : 0; }
  /// Input and output of a convolution, and f32 twins where it makes them: each is twice its bf16 tensor, which goes
  /// before its twin's output comes.
  std::int64_t convolving(const Conv& conv, std::int64_t in_elements, std::int64_t out_elements) const {
    if (copies != ConvolutionCopies::widened) return in_elements + out_elements;
    const std::int64_t twins = 2 * (in_elements + out_elements + conv.weight.numel() + conv.bias.numel());
    return std::max({3 * in_elements, twins, 3 * out_elements});
  }
  /// The input with its neighbours' rows and a copy of it with two frames of history before it, or that copy and the
  /// output.
  std::int64_t causal(const Conv& conv) {
    weigh(conv);
    const std::int64_t in = conv.weight.size(1), out = conv.weight.size(0);
    const std::int64_t input_area = (rows + (conv.weight.size(3) == 3 ? beside : 0)) * columns;
    cached += 2 * in * input_area;
    const std::int64_t joining = in * (2 * frames + 2) * input_area;
    const std::int64_t once = convolving(conv, in * (frames + 2) * input_area, out * frames * area());
    return std::max(joining, once * (copies == ConvolutionCopies::reordered ? 2 : 1));
  }
};

void pass(Walk& walk, const Residual& block) {
  const std::int64_t out = block.conv2.weight.size(0);
  const std::int64_t kept = walk.channels * walk.frames * walk.area(), made = out * walk.frames * walk.area();
  walk.alive(kept + std::max(walk.causal(block.conv1), walk.causal(block.conv2)));
  walk.alive(made + (block.shortcut.weight.defined() ? walk.convolving(block.shortcut, kept, made) : kept));
  walk.weigh(block.shortcut);
  walk.channels = out;
}

void pass(Walk& walk, const Attention& block) {
  const std::int64_t own = walk.channels * walk.frames * walk.area(),
                     whole = walk.channels * walk.frames * walk.frame_area;
  walk.alive(7 * own);                                           // x, norm, q k v, mixed, projected
  if (walk.beside > 0) walk.alive(7 * own + 2 * (own + whole));  // k v to send, k v of all rows
  walk.weigh(block.qkv);
  walk.weigh(block.proj);
}

void pass(Walk& walk, const Upsample& layer) {
  const std::int64_t in = walk.channels, out = layer.space.weight.size(0);
  if (layer.time.weight.defined()) {
    walk.alive(walk.causal(layer.time) + 2 * in * walk.frames * walk.area());
    walk.frames *= 2;
    walk.alive(2 * in * walk.frames * walk.area());
  }
  walk.alive((in + 4 * in) * walk.frames * walk.area());
  walk.rows *= 2, walk.columns *= 2;
  const std::int64_t upsampled = in * walk.frames * (walk.rows + walk.beside) * walk.columns;
  if (walk.beside > 0) walk.alive(in * walk.frames * walk.area() + upsampled);
  walk.alive(walk.convolving(layer.space, upsampled, out * walk.frames * walk.area()));
  walk.weigh(layer.space);
  walk.channels = out;
}

void pass(Walk&, const Downsample&) {}  // a decoder has none

void pass(Walk& walk, const Coder& coder) {
  walk.alive(walk.causal(coder.first));
  walk.channels = coder.first.weight.size(0);
  for (const Layer& layer : coder.layers) std::visit([&](const auto& kind) { pass(walk, kind); }, layer);
  walk.alive(walk.causal(coder.last));
}

}  // namespace

std::uint64_t vae_decode_bytes_needed(const VaeWeights& weights, std::int64_t height, std::int64_t width,
                                      std::int64_t latent_frames_per_chunk, ConvolutionCopies copies, int ranks) {
  const std::int64_t factor = space_factor(weights.decoder), rows = height / factor, columns = width / factor;
  Walk walk{.channels = VaeWeights::kLatentChannels,
            .frames = latent_frames_per_chunk,
            .rows = share_of(rows, ranks, 0).size,
            .columns = columns,
            .frame_area = rows * columns,
            .beside = ranks > 1 ? 2 : 0,
            .copies = copies};
  walk.weigh(weights.decoder_in);
  pass(walk, weights.decoder);
  const auto elements = static_cast<std::uint64_t>(walk.weights + walk.cached + walk.widest);
  return elements * weights.decoder_in.weight.element_size();
}

}  // namespace wf
