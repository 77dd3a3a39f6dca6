#include "pipeline/stages/models.hpp"

#include <ATen/ATen.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/stopwatch.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "base/trace.hpp"
#include "base/watched_work.hpp"
#include "parallel/device.hpp"
#include "parallel/node_reader.hpp"
#include "pipeline/experts/peer_expert.hpp"
#include "pipeline/stages/tokenize.hpp"
#include "pipeline/weights/network_weights.hpp"

namespace wf {
namespace {

/// Bytes of a part from which on its loading is logged as info: smaller parts load in no time.
constexpr std::uint64_t worth_a_line = 100'000'000;

/// Loads a part of `bytes` bytes out of `files` and logs how fast, and how many bytes this rank itself read from files:
/// the others came from another rank or were drawn at random. to: where the log says that the part is now.
template <class Load>
auto timed_load(const NetworkWeights& files, std::uint64_t bytes, at::Device device, Load&& load,
                const std::string& to = "") {
  const Checkpoint& checkpoint = files.files();
  const trace::Span span("load", checkpoint.path().filename().string(), {{"from", "files"}});
  const spdlog::stopwatch watch;
  auto part = load();
  synchronize_stream(device);
  const double seconds = std::chrono::duration<double>(watch.elapsed()).count();
  const auto level = bytes < worth_a_line ? spdlog::level::debug : spdlog::level::info;
  spdlog::log(level, "{}: {} to {} in {:.1f} s ({:.1f} GB/s), of which {} B were read here", checkpoint.path().string(),
              gigabytes(bytes), to.empty() ? device.str() : to, seconds, static_cast<double>(bytes) / 1e9 / seconds,
              checkpoint.bytes_read());
  return part;
}

/// The form in which an expert is read from files: matrices in 8 bits stay so where a copy is kept in host memory, even
/// if they are widened on the device.
WeightForm form_in_files(const Execution& execution) {
  const WeightForm on_device = kept_form(execution.precision, execution.weights);
  const bool keeps_copy = execution.residency == Residency::exchanged && on_device == WeightForm::as_computed;
  return keeps_copy ? WeightForm::as_stored : on_device;
}

/// An expert of the shapes and dtypes that its files give in this form, without data.
DitWeights expert_like(const ModelParts& parts, Expert which, const NetworkWeights& weights, WeightForm form) {
  return load_dit(weights, config_of(parts.files.expert(which), weights), parts.precision, at::kMeta, form,
                  parts.exact_blocks_of(which));
}

/// Loads an expert from the GPU of `peer` if that can be, or else from the cache, or else from its files. The files'
/// headers are read in all cases: they hold the shapes and dtypes.
DitWeights load_expert(const ModelParts& parts, Expert which, const Execution& execution, ExpertCache& cache,
                       NodeReader* together, const WeightPeer* peer, const SettleBlock& settle) {
  const ExpertFiles& files = parts.files.expert(which);
  const BlockNumbers& exact = parts.exact_blocks_of(which);
  const NetworkWeights weights(files, which, together);
  const DitConfig config = config_of(files, weights);
  if (peer) {
    const DitWeights like = expert_like(parts, which, weights, execution.weights);
    std::optional<DitWeights> copy = copy_peer_expert(*peer, like, execution.device, files.weights.filename().string());
    if (copy) return std::move(*copy);
  }
  const WeightForm form = form_in_files(execution);
  const DitWeights like = expert_like(parts, which, weights, form);
  std::optional<DitWeights> kept = cache.load({which, weights, like, settle}, together);
  if (kept) return std::move(*kept);
  const auto load = [&] {
    return load_dit(weights, config, execution.precision, execution.device, form, exact, settle);
  };
  const char* const to = execution.streamed_blocks > 0 ? "host memory" : "";
  return timed_load(weights, weights.files().bytes(), execution.device, load, to);
}

}  // namespace

Models::Models(ModelParts parts, Execution execution, std::uint64_t embeddings)
    : parts_(std::move(parts)),
      execution_(std::move(execution)),
      embeddings_(embeddings),
      experts_(
          execution_.residency, execution_.device,
          [this](Expert which, NodeReader* together, const WeightPeer* peer, const SettleBlock& settle) {
            return load_expert(parts_, which, execution_, cache_, together, peer, settle);
          },
          std::chrono::seconds(5), kept_form(execution_.precision, execution_.weights), execution_.streamed_blocks),
      cache_(parts_, execution_, [this](Expert which) { return experts_.as_loaded(which); }) {
  use_tf32(execution_.tf32);
  if (execution_.attention) return;
  ChosenAttention chosen = choose_attention(execution_, parts_.head_dim());
  execution_.attention = std::move(chosen.attention);
  attention_name_ = std::move(chosen.name);
}

const Tokenizer& Models::tokenizer() {
  if (!tokenizer_) tokenizer_ = read_tokenizer(parts_.files);
  return *tokenizer_;
}

const Umt5Weights& Models::text_encoder(NodeReader* together) {
  if (!text_encoder_) {
    // A text encoder that is not kept has no room on the device together with the experts.
    if (!execution_.keep_text_encoder) experts_.clear_device();
    const NetworkWeights files(Network::text_encoder, parts_.files.text_encoder, together);
    text_encoder_ = timed_load(files, files.files().bytes(), execution_.text_device,
                               [&] { return load_umt5(files, execution_.precision, execution_.text_device); });
  }
  return *text_encoder_;
}

std::vector<WantedMemory> Models::host_copies(const std::vector<Expert>& experts) const {
  std::vector<WantedMemory> copies;
  for (const Expert which : experts) {
    const HostLayout layout(like_in_files(which));
    const std::string what = fmt::format("{} {} {}", parts_.id, which == Expert::high ? "high" : "low", layout.key);
    copies.push_back({layout.bytes, std::hash<std::string>()(what)});  // the same on all ranks: they run one program
  }
  return copies;
}

void Models::keep_copies_in(const std::vector<std::shared_ptr<HostMemory>>& blocks,
                            const std::vector<Expert>& experts) {
  const bool stay = execution_.residency != Residency::both;
  const auto pages = stay ? HostExpert::Pages::pinned : HostExpert::Pages::plain;
  const HostExpert* before = nullptr;
  for (std::size_t i = 0; i < experts.size(); ++i) {
    auto copy = std::make_unique<HostExpert>(like_in_files(experts[i]), blocks.at(i), execution_.device, pages, before);
    before = copy.get();
    experts_.keep_copy_in(experts[i], std::move(copy));
  }
  has_places_for_copies_ = true;
}

void Models::keep_copies_alone(const std::vector<Expert>& experts) {
  std::vector<std::shared_ptr<HostMemory>> blocks;
  for (const WantedMemory& copy : host_copies(experts)) blocks.push_back(std::make_shared<HostMemory>(copy.bytes));
  keep_copies_in(blocks, experts);
}

DitWeights Models::like_in_files(Expert which) const {
  const NetworkWeights weights(parts_.files.expert(which), which);
  return expert_like(parts_, which, weights, form_in_files(execution_));
}

const DitWeights& Models::expert(Expert which, NodeReader* together, const WeightPeer* peer) {
  release_text_encoder();
  if (execution_.residency == Residency::exchanged && !has_places_for_copies_)
    keep_copies_alone({Expert::high, Expert::low});
  const DitWeights& used = experts_.use(which, together, peer);
  if (execution_.offload_expert_for_decode) experts_.prepare_copy(which);
  cache_.write_later(which);
  return used;
}

WeightLease Models::lease(Expert which) const {
  std::shared_ptr<const DitWeights> expert = experts_.lease(which);
  if (!expert) return {};
  Bytes handles = share_expert(*expert);
  return {std::move(handles), std::move(expert)};
}

const VaeWeights& Models::vae(NodeReader* together) {
  if (execution_.offload_expert_for_decode) experts_.free_device();
  if (!vae_) {
    const NetworkWeights files(Network::vae, parts_.files.vae, together);
    const std::uint64_t decoder_bytes = vae_bytes(parts_, execution_);
    vae_ = timed_load(files, decoder_bytes, execution_.device,
                      [&] { return load_vae(files, execution_.vae, execution_.device, execution_.tf32); });
  }
  return *vae_;
}

void Models::load_ahead(Part part, NodeReader& node) {
  node.together([&] {
    switch (part) {
      case Part::text_encoder:
        text_encoder(&node);
        return;
      case Part::high_expert:
        expert(Expert::high, &node, nullptr);
        return;
      case Part::low_expert:
        expert(Expert::low, &node, nullptr);
        return;
      case Part::vae:
        vae(&node);
        return;
    }
  });
}

Embeddings Models::encode(const std::string& text) {
  const std::vector<std::int64_t> ids = tokenize(text, tokenizer());
  check_length(ids, parts_.text_len, tokenizer());
  return {encode_text(ids, text_encoder()).text.cpu()};
}

bool Models::is_embedded(const std::string& text) const {
  const std::lock_guard lock(embedding_);
  return embeddings_.has(text);
}

Embeddings Models::embed(const std::string& text) {
  const std::lock_guard lock(embedding_);
  return embeddings_.get(text, [&](const std::string& fresh) { return encode(fresh); });
}

void Models::embed_ahead(const std::vector<std::string>& texts, const std::function<bool()>& go_on) {
  std::uint64_t bytes = 0;
  std::unordered_set<std::string_view> asked_for;
  for (const std::string& text : texts) {
    if (bytes >= embeddings_.capacity() || (go_on && !go_on())) break;
    if (!asked_for.insert(text).second) continue;
    try {
      bytes += embed(text).text.nbytes();
    } catch (const Error& error) {
      if (error.kind() != Error::input && error.kind() != Error::permanent) throw;
    }
    mark_progress();
  }
  release_text_encoder();
}

void Models::release_text_encoder() {
  if (execution_.keep_text_encoder || !text_encoder_) return;
  text_encoder_.reset();
  release_cached_memory(execution_.text_device);
}

}  // namespace wf
