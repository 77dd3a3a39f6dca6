// models/shapes/train/ops.cpp: the world and wanfarm's tokenizer for Python:
// torch.ops.load_library("libshapes_ops.so"), then torch.ops.shapes.clips(..) and the others. So training, checker and
// tests know one world, and training sees the tokens that wanfarm will make.
#include <ATen/ATen.h>
#include <torch/library.h>

#include <algorithm>
#include <tuple>

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

/// Scenes of the seeds from `seed` on: frames as draw() gives them, and their captions.
std::tuple<at::Tensor, std::vector<std::string>> clips(std::int64_t seed, std::int64_t count, std::int64_t frames,
                                                       std::int64_t height, std::int64_t width, at::Device device,
                                                       bool held_out) {
  std::vector<Scene> scenes;
  std::vector<std::string> captions;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto own_seed = static_cast<std::uint64_t>(seed + i);
    scenes.push_back(scene_of(own_seed, held_out));
    captions.push_back(caption(scenes.back(), own_seed));
  }
  const ClipSize size{static_cast<int>(frames), static_cast<int>(height), static_cast<int>(width)};
  return {draw(scenes, size, device), captions};
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
      "clips(int seed, int count, int frames, int height, int width, Device device, bool held_out) -> (Tensor, str[])",
      clips);
  library.def("tokens(str tokenizer_json, str[] texts) -> (Tensor, Tensor)", tokens);
  library.def("negative_prompt() -> str", negative_prompt);
}

}  // namespace
}  // namespace wf::shapes
