// models/shapes/train/ops.cpp: the world and wanfarm's tokenizer for Python:
// torch.ops.load_library("libshapes_ops.so"), then torch.ops.shapes.clips(..) and the others. So training, checker and
// tests know one world, and training sees the tokens that wanfarm will make.
#include <ATen/ATen.h>
#include <torch/library.h>

#include <algorithm>
#include <tuple>

#include "base/error.hpp"
#include "jobs/job.hpp"
#include "models/shapes/world/caption.hpp"
#include "models/shapes/world/draw.hpp"
#include "models/shapes/world/random.hpp"
#include "pipeline/text/clean_text.hpp"
#include "pipeline/text/tokenizer.hpp"

namespace wf::shapes {
namespace {

/// The seed's scene, or the next one of the kind.
Scene scene_of(std::uint64_t seed, bool held_out) {
  for (;; seed = mix(seed + 1))
    if (Scene scene = random_scene(seed); is_held_out(scene) == held_out) return scene;
}

struct Captioned {
  std::vector<Scene> scenes;
  std::vector<std::string> captions;
};

/// The scenes of the seeds from `seed` on.
Captioned captioned(std::int64_t seed, std::int64_t count, bool held_out) {
  Captioned out;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto own_seed = static_cast<std::uint64_t>(seed + i);
    out.scenes.push_back(scene_of(own_seed, held_out));
    out.captions.push_back(caption(out.scenes.back(), own_seed));
  }
  return out;
}

Colour colour_of(const std::string& word) {
  for (int i = 0; i < colour_count; ++i)
    if (const auto colour = static_cast<Colour>(i); word == to_string(colour)) return colour;
  throw Error(Error::input, word + " is no colour of the world");
}

/// Frames as draw() gives them, and their captions. `behind`: a colour that all scenes have behind them, whatever their
/// captions say; empty leaves them as they are.
std::tuple<at::Tensor, std::vector<std::string>> clips(std::int64_t seed, std::int64_t count, std::int64_t frames,
                                                       std::int64_t height, std::int64_t width, at::Device device,
                                                       bool held_out, const std::string& behind) {
  auto [scenes, captions] = captioned(seed, count, held_out);
  if (!behind.empty())
    for (Scene& scene : scenes) scene.background = {colour_of(behind), std::nullopt};
  const ClipSize size{static_cast<int>(frames), static_cast<int>(height), static_cast<int>(width)};
  return {draw(scenes, size, device), captions};
}

std::vector<std::string> captions(std::int64_t seed, std::int64_t count, bool held_out) {
  return captioned(seed, count, held_out).captions;
}

/// [texts, longest] padded with 0, and how many ids each has, </s> included.
std::tuple<at::Tensor, at::Tensor> tokens(const std::string& tokenizer_json, const std::vector<std::string>& texts) {
  const Tokenizer tokenizer(tokenizer_json);
  std::vector<std::vector<std::int64_t>> ids;
  std::vector<std::int64_t> lengths;
  for (const std::string& text : texts) {
    ids.push_back(tokenizer.encode(clean_text(text)));
    lengths.push_back(std::ssize(ids.back()));
  }
  const at::Tensor padded = at::zeros({std::ssize(ids), *std::ranges::max_element(lengths)}, at::kLong);
  for (std::int64_t i = 0; i < std::ssize(ids); ++i)
    padded[i].narrow(0, 0, lengths[static_cast<std::size_t>(i)]).copy_(at::tensor(ids[static_cast<std::size_t>(i)]));
  return {padded, at::tensor(lengths)};
}

std::string negative_prompt() { return default_negative_prompt; }

TORCH_LIBRARY(shapes, library) {
  library.def(
      "clips(int seed, int count, int frames, int height, int width, Device device, bool held_out, str behind) -> "
      "(Tensor, str[])",
      clips);
  library.def("captions(int seed, int count, bool held_out) -> str[]", captions);
  library.def("tokens(str tokenizer_json, str[] texts) -> (Tensor, Tensor)", tokens);
  library.def("negative_prompt() -> str", negative_prompt);
}

}  // namespace
}  // namespace wf::shapes
