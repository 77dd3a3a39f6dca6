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
  std::int64_t beside = 0;      ///< rows of neighbours next to a rank's: 2 where ranks divide the rows, else 0
  Convolving how = Convolving::library;
  std::int64_t element_size = 4;
  std::int64_t cached = 0;  ///< the last two frames that each causal convolution has read
  std::int64_t widest = 0;  ///< most elements alive within one layer
  std::int64_t weights = 0;

  std::int64_t area() const { return rows * columns; }
  std::int64_t features() const { return channels * frames * area(); }
  void alive(std::int64_t elements) { widest = std::max(widest, elements); }
  void weigh(const Conv& conv, std::int64_t times = 1) {
    weights += conv.weight.defined() ? times * conv.weight.numel() + conv.bias.numel() : 0;
  }
  /// Rows that a convolution keeps of each frame that it has read.
  std::int64_t kept_rows(const Conv& conv) const { return rows + (conv.weight.size(-1) == 3 ? beside : 0); }
  /// Elements alive while features are convolved that nothing else needs; with `adds`, to a sum that is counted
  /// elsewhere. scale: 2 where rows and columns are doubled first.
  std::int64_t convolving(const Conv& conv, bool adds = false, std::int64_t scale = 1) {
    const std::int64_t in = conv.weight.size(1), past = conv.weight.dim() == 5 ? conv.weight.size(2) - 1 : 0;
    weigh(conv, how == Convolving::hopper_f32 ? 2 : 1);
    cached += in * past * kept_rows(conv) * columns;
    return is_ours(how) ? by_ours(conv, past, adds, scale) : by_library(conv, past, scale);
  }

 private:
  std::int64_t by_ours(const Conv& conv, std::int64_t past, bool adds, std::int64_t scale) const {
    const std::int64_t in = conv.weight.size(1), halo = conv.weight.size(-1) / 2;
    const std::int64_t row = (how == Convolving::hopper_f32 ? 2 : 1) * in * (past + frames) * scale * columns;
    const std::int64_t band = std::min(rows_at_once(scale * rows, row * element_size), scale * rows);
    const std::int64_t output = adds ? 0 : conv.weight.size(0) * frames * scale * scale * area();
    return in * frames * rows * columns + row * (band + 2 * halo) + output;
  }
  /// The input as it comes to the library and the output, and f32 twins where they are made: each is twice its bf16
  /// tensor, which goes before its twin's output comes. Or the steps before: doubling, rows beside, past frames.
  std::int64_t by_library(const Conv& conv, std::int64_t past, std::int64_t scale) const {
    const std::int64_t in = conv.weight.size(1), doubled = scale * scale, own = in * frames * doubled * area();
    const std::int64_t with_edges =
        in * frames * scale * columns * (scale * rows + (conv.weight.size(-1) == 3 ? beside : 0));
    const std::int64_t read = with_edges + in * past * kept_rows(conv) * columns;
    const std::int64_t out = conv.weight.size(0) * frames * doubled * area();
    std::int64_t steps = std::max(own / doubled + own, with_edges > own ? own + with_edges : 0);
    if (past > 0) steps = std::max(steps, with_edges + read);
    if (how != Convolving::library_widened)
      return std::max(steps, (read + out) * (how == Convolving::library_reordered && past > 0 ? 2 : 1));
    const std::int64_t twins = 2 * (read + out + conv.weight.numel() + conv.bias.numel());
    return std::max({steps, 3 * read, twins, 3 * out});
  }
};

void pass(Walk& walk, const Residual& block) {
  const std::int64_t kept = walk.features(), out = block.conv2.weight.size(0), made = out * walk.frames * walk.area();
  // Our kernels read the features that are kept; the library reads what norm and SiLU made of them.
  walk.alive((is_ours(walk.how) ? 0 : kept) + walk.convolving(block.conv1));
  if (block.shortcut.weight.defined()) walk.alive(made + walk.convolving(block.shortcut));
  walk.channels = out;
  walk.alive(made + walk.convolving(block.conv2, /*adds=*/is_ours(walk.how)));
}

void pass(Walk& walk, const Attention& block) {
  const std::int64_t own = walk.features(), whole = walk.channels * walk.frames * walk.frame_area;
  walk.alive(7 * own);                                           // x, norm, q k v, mixed, projected
  if (walk.beside > 0) walk.alive(7 * own + 2 * (own + whole));  // k v to send, k v of all rows
  walk.weigh(block.qkv);
  walk.weigh(block.proj);
}

void pass(Walk& walk, const Upsample& layer) {
  if (layer.time.weight.defined()) {
    walk.alive(walk.convolving(layer.time));
    walk.frames *= 2;
    if (!is_ours(walk.how)) walk.alive(2 * walk.features());  // the frames are put in order
  }
  walk.alive(walk.convolving(layer.space, /*adds=*/false, /*scale=*/2));
  walk.rows *= 2, walk.columns *= 2;
  walk.channels = layer.space.weight.size(0);
}

void pass(Walk&, const Downsample&) {}  // a decoder has none

void pass(Walk& walk, const Coder& coder) {
  walk.alive(walk.convolving(coder.first));
  walk.channels = coder.first.weight.size(0);
  for (const Layer& layer : coder.layers) std::visit([&](const auto& kind) { pass(walk, kind); }, layer);
  walk.alive(walk.convolving(coder.last));
}

}  // namespace

std::uint64_t vae_decode_bytes_needed(const VaeWeights& weights, std::int64_t height, std::int64_t width,
                                      std::int64_t latent_frames_per_chunk, Convolving how, int ranks) {
  const std::int64_t factor = space_factor(weights.decoder), rows = height / factor, columns = width / factor;
  Walk walk{.channels = VaeWeights::kLatentChannels,
            .frames = latent_frames_per_chunk,
            .rows = share_of(rows, ranks, 0).size,
            .columns = columns,
            .frame_area = rows * columns,
            .beside = ranks > 1 ? 2 : 0,
            .how = how,
            .element_size = static_cast<std::int64_t>(weights.decoder_in.weight.element_size())};
  walk.weigh(weights.decoder_in, how == Convolving::hopper_f32 ? 2 : 1);
  pass(walk, weights.decoder);
  return static_cast<std::uint64_t>((walk.weights + walk.cached + walk.widest) * walk.element_size);
}

}  // namespace wf
