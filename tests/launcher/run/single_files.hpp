// tests/launcher/run/single_files.hpp: a model as the single files that ComfyUI's users own.
#pragma once

#include "base/files.hpp"
#include "pipeline/weights/model_files.hpp"

namespace wf::test {

/// How the single files store their numbers. fp8_scaled: the matrices of blocks in F8_E4M3 with a scalar scale_weight
/// each, and the marker scaled_fp8.
enum class SingleForm { fp16, fp8_scaled };

/// Writes high_noise, low_noise, text and vae .safetensors files of `model` into `folder`, each as one file, and
/// returns them as a source; sizes of experts and the tokenizer are still those of `model`.
ModelSource write_single_files(const Path& model, const Path& folder, SingleForm form);

}  // namespace wf::test
