#include "launcher/planner/advice.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <string_view>

#include "base/text.hpp"

namespace wf {
namespace {

bool is_of_experts(const MemoryPart& part) { return part.name.ends_with("expert") || part.name.ends_with("experts"); }

bool shrinks_with_the_clip(const MemoryPart& part) {
  constexpr std::array<std::string_view, 5> names{"work of denoising", "buffers of communication", "CUDA graphs",
                                                  "residuals of step cache", "work of decoding"};
  return std::ranges::find(names, part.name) != names.end();
}

bool has(const RankMemory& rank, std::string_view name) {
  return std::ranges::find(rank.parts, name, &MemoryPart::name) != rank.parts.end();
}

/// The flags with which experts take half the memory; "" where they do already, or the rank holds none in that stage.
std::string experts_in_8_bits(const RankMemory& rank, const PlanRequest& request) {
  if (!std::ranges::any_of(rank.parts, is_of_experts)) return "";
  if (request.model.weights == WeightForm::fp8 || multiplies_in_fp8(request.model.precision)) return "";
  constexpr int ada = 89;  // the first GPUs with products of 8-bit numbers
  int least = request.hardware.gpu.capability;
  for (const AlikeGpus& kind : request.hardware.kinds) least = std::min(least, kind.gpu.capability);
  return fmt::format("experts in 8 bits (--weights fp8{})",
                     least == 0 || least >= ada ? " or --precision fp8-linear" : "");
}

/// Whether the flags forbid degrees that divide the clip among more ranks.
bool degrees_are_forced(const Considered& nearest, const PlanRequest& request) {
  const PlacementChoices& choices = request.choices;
  return nearest.plan.group_size() < request.hardware.gpus() &&
         std::max({choices.guidance, choices.ulysses, choices.ring}) > 0;
}

std::string larger_gpus(const RankMemory& rank, const Hardware& hardware) {
  const std::uint64_t gigabytes = (rank.total() >> 30) + 1;
  const bool is_less_than_they_have = hardware.kinds.empty() && gigabytes << 30 <= hardware.gpu.memory_bytes;
  return fmt::format("GPUs of {}{}", gibibytes(rank.total()),
                     is_less_than_they_have ? fmt::format(" (--gpu-memory {})", gigabytes) : "");
}

}  // namespace

std::string what_would_fit(const Considered& nearest, const PlanRequest& request) {
  const RankMemory& rank = nearest.fullest();
  const bool decodes = has(rank, "work of decoding"), shrinks = std::ranges::any_of(rank.parts, shrinks_with_the_clip);
  const std::uint64_t fixed = std::accumulate(
      rank.parts.begin(), rank.parts.end(), std::uint64_t{0},
      [](std::uint64_t sum, const MemoryPart& part) { return sum + (shrinks_with_the_clip(part) ? 0 : part.bytes); });
  std::vector<std::string> advice{larger_gpus(rank, request.hardware)};
  const auto add = [&advice](bool helps, const std::string& text) {
    if (helps && !text.empty()) advice.push_back(text);
  };
  add(true, experts_in_8_bits(rank, request));
  add(has(rank, "text encoder") && request.choices.text_on_cpu == false, "--text-device cpu");
  add(decodes && request.execution.vae != at::kBFloat16, "--vae-precision bf16");
  const bool forced = degrees_are_forced(nearest, request), alone = decodes && !request.choices.split_decode;
  add(alone && request.hardware.gpus() > 1 && !(forced && nearest.plan.group_size() == 1),
      "ranks that decode together (without --no-split-decode)");
  add(shrinks && forced && !alone, "degrees that cut the clip finer");
  add(shrinks && fixed <= rank.available, "a smaller --size");
  if (advice.size() > 1) advice.back().insert(0, "or ");
  return join(advice, ", ") +
         (fixed > rank.available ? "; a smaller clip does not help: the weights alone are too much" : "");
}

}  // namespace wf
