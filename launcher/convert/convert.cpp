#include "launcher/convert/convert.hpp"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "base/error.hpp"
#include "base/paths.hpp"
#include "base/text.hpp"
#include "launcher/convert/network_writer.hpp"
#include "pipeline/experts/model_parts.hpp"
#include "pipeline/model/dit.hpp"
#include "pipeline/model/umt5.hpp"
#include "pipeline/model/vae_weights.hpp"

namespace wf {
namespace {

/// A network that is to be written: opened, and its structure checked.
struct Part {
  Network network;
  NetworkPlace place;
  std::optional<DType> dtype;
  std::unique_ptr<const NetworkWeights> weights;
  std::string config;  ///< config.json; empty: none.
};

Part expert_part(const ExpertFiles& files, Expert expert, const Conversion& how) {
  auto weights = std::make_unique<const NetworkWeights>(files, expert);
  const DitConfig config = config_of(files, *weights);
  const DitWeights checked = load_dit(*weights, config, Precision::exact, at::kMeta);
  for (const Lora& lora : weights->loras())
    for (const std::string& name : lora.unused()) how.tell(lora.file().string() + ": not used: " + name);
  return {Network::expert, place_of_expert(how.layout, expert), how.dtype, std::move(weights),
          expert_config(how.layout, config, checked.text_dim)};
}

Part text_encoder_part(const Path& path, const Conversion& how) {
  auto weights = std::make_unique<const NetworkWeights>(Network::text_encoder, path);
  load_umt5(*weights, Precision::exact, at::kMeta);
  std::string config = how.layout == Layout::diffusers ? text_encoder_config(*weights) : "";
  return {Network::text_encoder, place_of_text_encoder(how.layout), std::nullopt, std::move(weights),
          std::move(config)};
}

Part vae_part(const Path& path, const Conversion& how) {
  auto weights = std::make_unique<const NetworkWeights>(Network::vae, path);
  load_vae(*weights, at::kFloat, at::kMeta);
  std::string config = how.layout == Layout::diffusers ? vae_config(*weights) : "";
  return {Network::vae, place_of_vae(how.layout), std::nullopt, std::move(weights), std::move(config)};
}

std::string size_text(std::uint64_t bytes) {
  constexpr std::uint64_t megabyte = 1'000'000;
  return bytes < 1000 * megabyte ? std::to_string((bytes + megabyte - 1) / megabyte) + " MB" : gigabytes(bytes);
}

bool write_part(const Part& part, const Path& root, const Conversion& how) {
  const NetworkWriter writer(part.network, *part.weights, {how.layout, part.dtype});
  if (!writer.write(root, part.place, how.shard_bytes, how.device)) return false;
  if (!part.config.empty()) write_file(root / part.place.folder / "config.json", part.config);
  how.tell((part.place.folder / part.place.stem).string() + ": " + count_text(writer.tensors().size(), "tensor") +
           ", " + size_text(writer.bytes()));
  return true;
}

void check_room(const std::vector<Part>& parts, const Path& out, const Conversion& how) {
  std::uint64_t needed = 0;
  for (const Part& part : parts) needed += NetworkWriter(part.network, *part.weights, {how.layout, part.dtype}).bytes();
  const std::uint64_t free = std::filesystem::space(out.parent_path()).available;
  if (needed > free)
    throw Error(Error::storage, out.string() + ": takes " + gigabytes(needed) + ", but only " + gigabytes(free) +
                                    " of its disk are free");
}

void refuse_occupied(const Path& out) {
  if (std::filesystem::exists(out) && !(std::filesystem::is_directory(out) && std::filesystem::is_empty(out)))
    throw Error(Error::input, out.string() + ": is there already; give another folder or remove it");
}

/// Lets `write` fill a folder with another name and gives it the name `out` if that returns true.
bool in_new_folder(const Path& out, const std::function<bool(const Path& root)>& write) {
  const Path part = out.string() + "-" + std::to_string(::getpid()) + ".part";
  const auto remove_part = [&] {
    std::error_code ignored;
    std::filesystem::remove_all(part, ignored);
  };
  try {
    make_folder(part);
    const bool complete = write(part);
    if (complete)
      publish_file(part, out);
    else
      remove_part();
    return complete;
  } catch (...) {
    remove_part();
    throw;
  }
}

bool write_parts(const std::vector<Part>& parts, const Path& given_out, const Conversion& how,
                 const std::function<void(const Path& root)>& write_rest) {
  const Path out = absolute_folder(given_out);
  refuse_occupied(out);
  make_folder(out.parent_path());
  check_room(parts, out, how);
  return in_new_folder(out, [&](const Path& root) {
    for (const Part& part : parts)
      if (!write_part(part, root, how)) return false;
    write_rest(root);
    return true;
  });
}

/// A network alone lies in the folder `out` itself.
bool write_alone(Part part, const Path& out, const Conversion& how) {
  part.place.folder.clear();
  std::vector<Part> parts;
  parts.push_back(std::move(part));
  return write_parts(parts, out, how, [](const Path&) {});
}

/// The files that may lie beside a tokenizer and that other programs read.
constexpr const char* beside_tokenizer[] = {"tokenizer_config.json", "special_tokens_map.json"};

void copy_if_there(const Path& file, const Path& folder) {
  if (std::filesystem::exists(file)) write_file(folder / file.filename(), read_file(file));
}

/// The tokenizer that the text encoder's file holds, as a file of its own.
std::string packed_tokenizer(const Path& text_encoder) {
  const at::Tensor bytes = Checkpoint(text_encoder).load_alone(tokenizer_tensor);
  return {static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes()};
}

/// A tokenizer.json wins over a spiece.model beside it, so the latter goes along with the former, but not vice versa.
void copy_tokenizer(const ModelFiles& model, const Path& folder) {
  make_folder(folder);
  const Path& tokenizer = model.tokenizer;
  if (tokenizer == model.text_encoder) return write_file(folder / "spiece.model", packed_tokenizer(model.text_encoder));
  const bool is_json = tokenizer.extension() == ".json";
  write_file(folder / (is_json ? "tokenizer.json" : "spiece.model"), read_file(tokenizer));
  if (is_json) copy_if_there(tokenizer.parent_path() / "spiece.model", folder);
  for (const char* name : beside_tokenizer) copy_if_there(tokenizer.parent_path() / name, folder);
}

void write_scheduler(const Path& root) {
  write_file(root / "model_index.json", model_index());
  make_folder(root / "scheduler");
  write_file(root / "scheduler/scheduler_config.json", scheduler_config());
}

}  // namespace

bool convert_model(const ModelFiles& model, const Path& out, const Conversion& how) {
  const c10::InferenceMode inference;
  std::vector<Part> parts;
  parts.push_back(expert_part(model.high, Expert::high, how));
  parts.push_back(expert_part(model.low, Expert::low, how));
  parts.push_back(text_encoder_part(model.text_encoder, how));
  parts.push_back(vae_part(model.vae, how));
  return write_parts(parts, out, how, [&](const Path& root) {
    copy_tokenizer(model, root / folder_of_tokenizer(how.layout));
    if (how.layout == Layout::diffusers) write_scheduler(root);
  });
}

bool convert_expert(const ExpertFiles& files, Expert expert, const Path& out, const Conversion& how) {
  const c10::InferenceMode inference;
  return write_alone(expert_part(files, expert, how), out, how);
}

bool convert_network(Network network, const Path& weights, const Path& out, const Conversion& how) {
  const c10::InferenceMode inference;
  if (how.dtype == DType::f8_e4m3)
    throw Error(Error::input, weights.string() + ": is " + to_string(network) + "; f8 is for experts");
  Part part = network == Network::vae ? vae_part(weights, how) : text_encoder_part(weights, how);
  part.dtype = how.dtype;
  return write_alone(std::move(part), out, how);
}

}  // namespace wf
