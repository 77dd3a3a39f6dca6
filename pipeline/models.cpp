#include "pipeline/models.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/stopwatch.h>

#include <algorithm>
#include <limits>
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

DitWeights load_expert(const Path& folder, Precision precision, at::Device device) {
  return load_dit(Checkpoint(folder), read_dit_config(folder / "config.json"), precision, device);
}

void check_text_width(const Path& text_encoder, std::int64_t made, const Path& expert, std::int64_t taken) {
  if (made != taken)
    throw Error(Error::environment,
                fmt::format("{} makes embeddings of width {}, {} takes {}: they are of different models",
                            text_encoder.string(), made, expert.string(), taken));
}

/// Loads every part without its data, which checks names, shapes and files. Returns how many tokens both experts take.
std::int64_t check_parts(const ModelFolder& folder, Precision precision) {
  const Umt5Weights text_encoder = load_umt5(Checkpoint(folder.text_encoder), precision, at::kMeta);
  std::int64_t text_len = std::numeric_limits<std::int64_t>::max();
  for (const Path& path : {folder.high_expert, folder.low_expert}) {
    const DitWeights expert = load_expert(path, precision, at::kMeta);
    check_text_width(folder.text_encoder, text_encoder.norm.size(0), path, expert.text_dim);
    text_len = std::min(text_len, expert.config.text_len);
  }
  load_vae(Checkpoint(folder.vae), at::kFloat, at::kMeta);
  return text_len;
}

}  // namespace

Models::Models(const Path& folder, Execution execution)
    : folder_(find_model(folder)), execution_(std::move(execution)), id_(identity(folder_)) {
  if (!execution_.attention) execution_.attention = choose_attention(execution_.device);
  text_len_ = check_parts(folder_, execution_.precision);
}

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
  return load_once(experts_[which == Expert::high ? 0 : 1], folder,
                   [&] { return load_expert(folder, execution_.precision, execution_.device); });
}

const VaeWeights& Models::vae() {
  return load_once(vae_, folder_.vae, [&] {
    const at::ScalarType dtype =
        execution_.precision == Precision::exact && !execution_.device.is_cpu() ? at::kBFloat16 : at::kFloat;
    return load_vae(Checkpoint(folder_.vae), dtype, execution_.device);
  });
}

Embeddings Models::embed(const std::string& text) {
  return embeddings_.get(text, [&](const std::string& fresh) {
    const std::vector<std::int64_t> ids = tokenize(fresh, tokenizer());
    if (static_cast<std::int64_t>(ids.size()) > text_len_)
      throw Error(Error::input,
                  fmt::format("a text of {} tokens, but this model takes {}: shorten it", ids.size(), text_len_));
    return encode_text(ids, text_encoder());
  });
}

}  // namespace wf
