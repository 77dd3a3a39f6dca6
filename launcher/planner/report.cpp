#include "launcher/planner/report.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "base/table.hpp"
#include "base/text.hpp"
#include "launcher/planner/alike_groups.hpp"
#include "launcher/planner/time_model.hpp"
#include "parallel/device.hpp"

namespace wf {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t shown_placements = 10;

/// "2 nodes with 8 GPUs of kind h200, 139.8 GiB each"; "3 nodes with 4, 4, 2 ranks of kind cpu, ...";
/// "2 nodes with 4, 8 GPUs: 4 h100 of 79.1 GiB, 8 l40s of 44.4 GiB".
std::string hardware_text(const Hardware& hardware) {
  const bool equal = std::ranges::count(hardware.nodes, hardware.nodes.front()) == std::ssize(hardware.nodes);
  std::vector<std::string> counts;
  for (const int gpus : hardware.nodes) counts.push_back(std::to_string(gpus));
  const char* const noun = hardware.gpu.is_cpu() ? "rank" : "GPU";
  const std::string nodes =
      fmt::format("{} {} with {} {}{}", hardware.nodes.size(), hardware.nodes.size() == 1 ? "node" : "nodes",
                  equal ? counts.front() : join(counts, ", "), noun, equal && hardware.nodes.front() == 1 ? "" : "s");
  if (!hardware.kinds.empty()) return nodes + ": " + kinds_text(hardware);
  return fmt::format("{} of kind {}, {} each", nodes, hardware.gpu.kind, gibibytes(hardware.memory_bytes));
}

/// Where the figures of each kind are from, each source once.
std::string sources_text(const Hardware& hardware) {
  std::vector<std::string> sources{hardware.gpu.source};
  for (const AlikeGpus& kind : hardware.kinds)
    if (std::ranges::find(sources, kind.gpu.source) == sources.end()) sources.push_back(kind.gpu.source);
  return join(sources, "; ");
}

/// "fp8, blocks 0,39 exact, experts in fp8"
std::string arithmetic_text(const ModelParts& model) {
  return fmt::format("{}{}{}", to_string(model.precision),
                     model.exact_blocks.any() ? ", blocks " + to_string(model.exact_blocks) + " exact" : "",
                     model.weights == WeightForm::fp8 ? ", experts in fp8" : "");
}

/// Forwards of all clips of a list: computed by each expert, and saved. Those of drafts end with the high-noise expert.
struct ListForwards {
  std::int64_t high = 0, low = 0, saved = 0;
};
ListForwards forwards_of(const PlanRequest& request) {
  ListForwards sum;
  for (const PlannedShape& shape : shapes_of(request.jobs)) {
    const Guidance& guidance = shape.job.guidance;
    sum.high += shape.clips * shape.high_forwards();
    sum.saved += shape.clips * (shape.high_steps * forwards_in(Stage::high, guidance) - shape.high_forwards());
    if (request.choices.draft) continue;
    sum.low += shape.clips * shape.low_forwards();
    sum.saved += shape.clips * (shape.low_steps * forwards_in(Stage::low, guidance) - shape.low_forwards());
  }
  return sum;
}

/// ", forwards 52 of 80 (high 30, low 22)"; empty where none is saved.
std::string forwards_text(const PlanRequest& request) {
  const auto [high, low, saved] = forwards_of(request);
  if (saved == 0) return "";
  return fmt::format(", forwards {} of {} (high {}, low {})", high + low, high + low + saved, high, low);
}

std::string heading(const PlanRequest& request) {
  const Hardware& hardware = request.hardware;
  return fmt::format("{}; figures: {}\n{} {}, {}{}\n", hardware_text(hardware), sources_text(hardware),
                     request.jobs.size(), request.jobs.size() == 1 ? "clip" : "clips", arithmetic_text(request.model),
                     forwards_text(request));
}

std::string use_text(const std::vector<PoolUse>& use) {
  std::string text;
  for (const PoolUse& pool : use) text += fmt::format("{}{:.0f} %", text.empty() ? "" : ", ", 100 * pool.utilisation);
  return text;
}

std::string verdict(const Considered& each, bool first) {
  if (each.shortage > 0) return "lacks " + gibibytes(each.shortage);
  if (each.host_shortage > 0) return fmt::format("lacks {} of host memory", gibibytes(each.host_shortage));
  return first ? "wins" : "fits";
}

std::string placements(const PlanResult& result) {
  Table table{"considered",
              {{"placement", "placement"},
               {"clip", "s a clip", 1},
               {"rate", "clips an hour", 2},
               {"makespan", "the list"},
               {"use", "utilisation"},
               {"memory", "GiB a rank", 1},
               {"verdict", "verdict"}}};
  const std::size_t shown = std::min(result.considered.size(), shown_placements);
  for (std::size_t i = 0; i < shown; ++i) {
    const Considered& each = result.considered[i];
    table.rows.push_back({describe(each.plan), each.predicted.clip_seconds, each.predicted.clips_per_hour,
                          duration_text(each.predicted.makespan), use_text(each.predicted.use),
                          static_cast<double>(each.fullest().total()) / (1ull << 30), verdict(each, i == 0)});
  }
  const std::size_t more = result.considered.size() - shown;
  return to_text(table) + (more > 0 ? fmt::format("and {} more (--json has all)\n", more) : "");
}

std::string memory(const Hardware& hardware, const Considered& winner) {
  std::string text;
  for (std::size_t pool = 0; pool < winner.predicted.memory.size(); ++pool) {
    const RankMemory& rank = winner.predicted.memory[pool];
    const std::string gpus = hardware.kinds.empty() ? "" : " on " + kinds_text(hardware, winner.plan, pool);
    text += fmt::format("Memory of a rank of pool {}{}, fullest in {}: {}\n", rank.pool, gpus, to_string(rank.stage),
                        gibibytes(rank.total()));
    for (const MemoryPart& part : rank.parts) text += fmt::format("  {:<26}{:>10}\n", part.name, gibibytes(part.bytes));
  }
  if (winner.predicted.pinned_bytes > 0)
    text += fmt::format("Pinned host memory of all ranks: {}\n", gigabytes(winner.predicted.pinned_bytes));
  return text;
}

std::string text_and_decode_text(const PlacementPlan& plan) {
  const char* const text = plan.text == TextPlace::resident  ? "on GPUs, beside the experts"
                           : plan.text == TextPlace::upfront ? "on GPUs, all before the first clip"
                                                             : "on the host";
  return fmt::format("Texts are embedded {} (pool {}); pool {} decodes{}{}.\n", text, plan.pool_of(Stage::text).name,
                     plan.pool_of(Stage::decode).name, plan.split_decode ? ", the ranks of a group together" : "",
                     plan.offload_expert_for_decode ? ", its expert leaving the GPU for it" : "");
}

Json json_of(const PlacementPlan& plan) {
  Json pools = Json::array();
  for (const Pool& pool : plan.pools) {
    Json stages = Json::array();
    for (const Stage stage : pool.stages) stages.push_back(to_string(stage));
    pools.push_back({{"name", pool.name}, {"groups", pool.groups}, {"stages", stages}});
  }
  return {{"mode", to_string(plan.mode)},
          {"guidance", plan.degrees.guidance},
          {"ulysses", plan.degrees.ulysses},
          {"ring", plan.degrees.ring},
          {"group_size", plan.group_size()},
          {"pools", pools},
          {"precision", to_string(plan.precision)},
          {"text", to_string(plan.text)},
          {"ranks_decode_together", plan.split_decode},
          {"expert_leaves_for_decoding", plan.offload_expert_for_decode},
          {"streamed_blocks", plan.streamed_blocks},
          {"parked", plan.stashed}};
}

Json json_of(const Considered& each) {
  Json memory = Json::array(), use = Json::object();
  for (const PoolUse& pool : each.predicted.use) use[pool.pool] = pool.utilisation;
  for (const RankMemory& rank : each.predicted.memory) {
    Json parts = Json::object();
    for (const MemoryPart& part : rank.parts) parts[part.name] = part.bytes;
    memory.push_back({{"pool", rank.pool},
                      {"stage", to_string(rank.stage)},
                      {"bytes", rank.total()},
                      {"available_bytes", rank.available},
                      {"parts", parts}});
  }
  return {{"placement", json_of(each.plan)},
          {"words", describe(each.plan)},
          {"fits", each.fits()},
          {"shortage_bytes", each.shortage},
          {"host_shortage_bytes", each.host_shortage},
          {"start_seconds", each.predicted.start_seconds},
          {"clip_seconds", each.predicted.clip_seconds},
          {"clips_per_hour", each.predicted.clips_per_hour},
          {"makespan_seconds", each.predicted.makespan},
          {"utilisation", use},
          {"memory", memory},
          {"pinned_bytes", each.predicted.pinned_bytes}};
}

}  // namespace

std::string to_text(const PlanRequest& request, const PlanResult& result) {
  return heading(request) + '\n' + placements(result) + '\n' + describe(result.winner().plan) + ": " + result.reason +
         ".\n" + text_and_decode_text(result.winner().plan) + memory(request.hardware, result.winner());
}

Json to_json(const PlanRequest& request, const PlanResult& result) {
  const Hardware& hardware = request.hardware;
  const ListForwards forwards = forwards_of(request);
  Json considered = Json::array();
  for (const Considered& each : result.considered) considered.push_back(json_of(each));
  Json kinds = Json::array();
  for (const AlikeGpus& kind : hardware.kinds)
    kinds.push_back({{"gpus", kind.count}, {"gpu", kind.gpu.kind}, {"memory_bytes", kind.memory_bytes}});
  return {{"hardware",
           {{"nodes", hardware.nodes.size()},
            {"gpus", hardware.nodes},
            {"kinds", kinds},
            {"gpu", hardware.gpu.kind},
            {"memory_bytes", hardware.memory_bytes},
            {"figures", hardware.gpu.source},
            {"token_seconds", hardware.gpu.token_seconds},
            {"pair_seconds", hardware.gpu.pair_seconds}}},
          {"model", request.model.id},
          {"weights", to_string(request.model.weights)},
          {"clips", request.jobs.size()},
          {"forwards", {{"high", forwards.high}, {"low", forwards.low}, {"saved", forwards.saved}}},
          {"reason", result.reason},
          {"winner", json_of(result.winner())},
          {"considered", considered}};
}

}  // namespace wf
