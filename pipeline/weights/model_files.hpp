// pipeline/weights/model_files.hpp: the files that a model consists of, wherever they lie, and the id of their content.
#pragma once

#include <string>
#include <vector>

#include "base/files.hpp"
#include "jobs/model_source.hpp"
#include "pipeline/weights/tensor_names.hpp"

namespace wf {

/// The two networks that denoise a clip: the high-noise expert from noise to the boundary, the low-noise expert from
/// there on.
enum class Expert { high, low };

/// One LoRA file for one expert.
struct LoraFile {
  Path file;
  double strength = 1;
};

/// The files of one expert.
struct ExpertFiles {
  Path weights;                 ///< A file, or a folder of shards with their index.
  Path config;                  ///< Its config.json; empty where the sizes are read off the tensors (dit_config.hpp).
  std::vector<LoraFile> loras;  ///< Merged into the weights, in this order.
};

/// The files of a model.
struct ModelFiles {
  Path root;  ///< The folder, or else the high-noise expert's file; for messages.
  ExpertFiles high, low;
  Path text_encoder, vae;
  Path tokenizer;  ///< A tokenizer.json or a spiece.model; or the text encoder's file, where that holds a spiece.model.

  const ExpertFiles& expert(Expert which) const { return which == Expert::high ? high : low; }
};

/// Finds the parts without reading weights. `source.from` is a folder in the layout of Wan-AI/Wan2.2-T2V-A14B
/// (high_noise_model/, low_noise_model/, models_t5_umt5-xxl-enc-bf16.pth, Wan2.1_VAE.pth, google/umt5-xxl/; a .pth may
/// be replaced by a .safetensors of the same stem, and any weights by a .random.json), in that of
/// Wan-AI/Wan2.2-T2V-A14B-Diffusers (transformer/ is the high-noise expert, transformer_2/ the low-noise one,
/// text_encoder/, vae/, tokenizer/), or Hugging Face's cache folder of one of them. Parts that `source` names take the
/// place of the folder's own. Throws environment listing every missing part (including shards named by an index) with
/// its expected path and where to download it; input listing every file that is a pointer of Git LFS, with the command
/// that fetches them.
ModelFiles find_model(const ModelSource& source);

/// The tokenizer of a model, of which nothing else need be there: of `source.from`, of the text encoder's file
/// `source.text`, or `source.tokenizer`. Throws environment when it is missing.
Path find_tokenizer(const ModelSource& source);

/// Whether this is the folder of a whole model, complete or not, for find_model(); else it may hold one network.
bool is_model_folder(const Path& path);

/// The config.json in a folder of weights, or beside a file of weights; empty if there is none.
Path config_beside(const Path& weights);

/// Sentences on what is probably a mistake: both experts are one file, names say that the experts or their LoRAs are
/// swapped, an expert takes one LoRA twice.
std::vector<std::string> doubts(const ModelFiles& model);

/// The model_id of sidecars and fingerprints: a SHA-256 in hex over all parts, each preceded by the name of its role,
/// and the strengths of the LoRAs. Files up to 4 MiB and all .json files are hashed completely; of a larger file its
/// size, first MiB (the headers), last 64 KiB (a zip's directory) and 64 evenly spaced samples of 4 KiB. Takes seconds
/// for 126 GB and depends neither on the node nor on the path. Throws environment when a file cannot be read.
std::string identity(const ModelFiles& model);

/// The same hash of one LoRA alone, a file or PEFT's folder, for sidecars: which one it was.
std::string lora_identity(const Path& file);

/// The same of one expert and its LoRAs, with the files' sizes and dates of change: that of a file which was changed in
/// place differs even where the bytes that are looked at do not. Throws environment when a file cannot be read.
std::string expert_identity(const ExpertFiles& files);

}  // namespace wf
