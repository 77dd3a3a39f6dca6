// pipeline/weights/random_manifest.hpp: NAME.random.json, a file that describes random weights instead of storing them,
// so that a model of 126 GB takes a few hundred KB. No torch header. Example:
// {"random_weights": 1, "seed": 42, "part": "vae", "dtype": "F32",
//  "tensors": {"conv1.weight": {"shape": [32, 32, 1, 1, 1], "mean": 0.0, "spread": 0.18}, ...}}
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/weights/tensor_file.hpp"

namespace wf {

/// The file ending by which a manifest is recognized.
inline constexpr std::string_view random_manifest_ending = ".random.json";

/// A tensor whose elements are drawn as mean + spread * N(0, 1).
struct RandomTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  double mean, spread;
};

/// The seed of one tensor's generator, a hash of the arguments: every tensor has its own random stream, independent of
/// the file that describes it. `part` distinguishes the networks of a model.
std::uint64_t stream_of(std::uint64_t seed, const std::string& part, const std::string& name);

/// The content of a manifest.
struct RandomManifest {
  std::uint64_t seed = 0;
  std::string part;
  DType dtype = DType::f32;  ///< Element type of all tensors: f32, bf16 or f16.
  std::vector<RandomTensor> tensors = {};
};

/// The text of a manifest, one line per tensor.
std::string to_json(const RandomManifest& manifest);

/// The tensors that a manifest describes, as entries with `random` set. Throws broken(file): not JSON, a version other
/// than 1, a key missing, a name twice, a dtype that is no float of 2 or 4 bytes, a size that is negative or not whole,
/// more than 2^40 elements, a mean or spread that is not a number, a negative spread.
TensorIndex read_random_manifest(std::string_view text, const std::string& file);

}  // namespace wf
