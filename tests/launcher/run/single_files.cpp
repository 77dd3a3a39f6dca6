#include "tests/launcher/run/single_files.hpp"

#include <ATen/ATen.h>

#include "pipeline/weights/aten_dtype.hpp"
#include "pipeline/weights/network_weights.hpp"

namespace wf::test {
namespace {

using Tensors = std::map<std::string, at::Tensor>;

bool is_block_matrix(const std::string& name, const at::Tensor& tensor) {
  return tensor.dim() == 2 && name.starts_with("blocks.") && name.ends_with(".weight") &&
         name.find("pos_embedding") == std::string::npos;
}

void add_scaled(const std::string& name, const at::Tensor& matrix, Tensors& tensors) {
  const at::Tensor scale = matrix.abs().max() / 448;
  tensors[name] = (matrix / scale).to(at::kFloat8_e4m3fn);
  tensors[name.substr(0, name.rfind('.')) + ".scale_weight"] = scale;
}

void write_single(Network network, const Path& from, const Path& to, SingleForm form) {
  const NetworkWeights files(network, from);
  Tensors tensors;
  for (const std::string& name : files.names()) {
    const at::Tensor wide = files.load(name, at::kFloat, at::kCPU, files.entry(name).shape);
    if (form == SingleForm::fp8_scaled && network != Network::vae && is_block_matrix(name, wide))
      add_scaled(name, wide, tensors);
    else
      tensors[name] = wide.to(network == Network::vae ? at::kFloat : at::kHalf);
  }
  if (form == SingleForm::fp8_scaled && network != Network::vae)
    tensors["scaled_fp8"] = at::zeros({2}, at::kFloat8_e4m3fn);
  write_safetensors(to, tensors);
}

}  // namespace

ModelSource write_single_files(const Path& model, const Path& folder, SingleForm form) {
  const ModelFiles files = find_model({model});
  ModelSource source{.from = model,
                     .high = folder / "high_noise.safetensors",
                     .low = folder / "low_noise.safetensors",
                     .text = folder / "text.safetensors",
                     .vae = folder / "vae.safetensors"};
  make_folder(folder);
  write_single(Network::expert, files.high.weights, source.high, form);
  write_single(Network::expert, files.low.weights, source.low, form);
  write_single(Network::text_encoder, files.text_encoder, source.text, form);
  write_single(Network::vae, files.vae, source.vae, form);
  return source;
}

}  // namespace wf::test
