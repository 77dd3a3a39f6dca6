// launcher/planner/placement.hpp: which groups of ranks play which roles, and with which degrees. Plain values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "parallel/mesh.hpp"
#include "pipeline/stage.hpp"
#include "pipeline/types.hpp"

namespace wf {

/// resident: every group holds both experts. pipeline: two pools, an expert each, both at work on different clips.
/// phased: every group takes several clips through one expert, then exchanges it and takes them through the other.
/// swap: every group exchanges the experts within each clip. In the order in which they are preferred.
enum class PlacementMode { resident, pipeline, phased, swap };
constexpr const char* to_string(PlacementMode mode) {
  constexpr const char* names[] = {"resident", "pipeline", "phased", "swap"};
  return names[static_cast<int>(mode)];
}

/// Where texts are embedded. beside: by an encoder that stays on the GPU. before: the list's texts first of all, then
/// the encoder leaves. cpu: on the host.
enum class TextPlace { beside, before, cpu };
constexpr const char* to_string(TextPlace place) {
  constexpr const char* names[] = {"beside", "before", "cpu"};
  return names[static_cast<int>(place)];
}

/// Groups that share a role: "all", or "high" and "low". `stages` are those that need a GPU.
struct Pool {
  std::string name;
  std::vector<Stage> stages;
  int groups = 1;
};

struct PlacementPlan {
  PlacementMode mode = PlacementMode::resident;
  Degrees degrees;
  std::vector<Pool> pools;
  Precision precision = Precision::exact;
  TextPlace text = TextPlace::beside;
  GuidanceMode guidance = GuidanceMode::two;
  bool expert_leaves = false;  ///< for decoding: its memory is taken, and it comes back from pinned host memory
  int parked = 1;              ///< phased: clips that wait for the exchange

  int sequence() const { return degrees.ulysses * degrees.ring; }
  int group_size() const { return degrees.guidance * sequence(); }
  const Pool& pool_of(Stage stage) const;  ///< the first pool that has the stage
};

/// What GuidanceMode `asked` may mean there, the preferred one first: one of batch 2 takes more memory.
std::vector<GuidanceMode> guidance_modes(GuidanceMode asked, const Degrees& degrees, bool on_gpus);

/// "guidance 2 x ulysses 4": those above 1.
std::string describe(const Degrees& degrees);
/// "pipeline 5:3, groups of 1"; "resident, 1 group of 8 (guidance 2 x ulysses 4)".
std::string describe(const PlacementPlan& plan);

/// What flags force; 0 or empty: the planner's choice.
struct PlacementChoices {
  std::optional<PlacementMode> mode = {};
  int guidance = 0, ulysses = 0, ring = 0;
  int high_ranks = 0, low_ranks = 0;  ///< of pipeline
  std::optional<bool> text_on_cpu = {};
};

/// "--cfg-parallel 2, --ulysses 3": of degrees and pools, those that were forced, as flags.
std::string forced_words(const PlacementChoices& choices);

}  // namespace wf
