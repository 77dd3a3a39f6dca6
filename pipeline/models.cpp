#include "pipeline/models.hpp"

#include <spdlog/stopwatch.h>

#include <utility>

#include "cluster/error.hpp"
#include "cluster/log.hpp"
#include "pipeline/tokenize.hpp"

namespace wf {
namespace {

/// Loads a part into its place once, saying what and for how long.
template <class Part, class Load>
Part& load_once(std::optional<Part>& place, const Path& from, Load&& load) {
  if (!place) {
    const spdlog::stopwatch watch;
    place.emplace(load());
    spdlog::debug("{} loaded in {:.2f} s", from.string(), watch);
  }
  return *place;
}

}  // namespace

Models::Models(const Path& folder, Execution execution)
    : folder_(find_model(folder)), execution_(std::move(execution)), id_(identity(folder_)) {}

const Tokenizer& Models::tokenizer() {
  return load_once(tokenizer_, folder_.tokenizer, [&] { return Tokenizer(folder_.tokenizer); });
}

const Umt5Weights& Models::text_encoder() {
  return load_once(text_encoder_, folder_.text_encoder, [&] {
    return load_umt5(Checkpoint(folder_.text_encoder), execution_.precision, execution_.device);
  });
}

const DitWeights& Models::expert(Expert which) {
  const Path& folder = which == Expert::high ? folder_.high_expert : folder_.low_expert;
  return load_once(experts_[which == Expert::high ? 0 : 1], folder, [&] {
    return load_dit(Checkpoint(folder), read_dit_config(folder / "config.json"), execution_.precision,
                    execution_.device);
  });
}

const VaeWeights& Models::vae() {
  return load_once(vae_, folder_.vae, [&] {
    const at::ScalarType dtype =
        execution_.precision == Precision::exact && !execution_.device.is_cpu() ? at::kBFloat16 : at::kFloat;
    return load_vae(Checkpoint(folder_.vae), dtype, execution_.device);
  });
}

Embeddings Models::embed(const std::string& text) {
  return embeddings_.get(
      text, [&](const std::string& fresh) { return encode_text(tokenize(fresh, tokenizer()), text_encoder()); });
}

void Models::release_text_encoder() { text_encoder_.reset(); }

}  // namespace wf
