// launcher/planner/placement.hpp: which groups of ranks have which roles and parallel degrees. Plain values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "jobs/schedule/stage.hpp"
#include "parallel/mesh.hpp"
#include "pipeline/types.hpp"

namespace wf {

/// Where the experts are. `resident`: every group holds both. `pipeline`: two pools hold one expert each and work on
/// different clips. `phased`: every group takes several clips through one expert, then exchanges it and takes them
/// through the other. `swap`: every group exchanges the experts within each clip. `stream`: so does this one, and
/// blocks of the expert that is used wait in host memory, from where they travel to the GPU for every forward. In order
/// of preference.
enum class PlacementMode { resident, pipeline, phased, swap, stream };
constexpr const char* to_string(PlacementMode mode) {
  constexpr const char* names[] = {"resident", "pipeline", "phased", "swap", "stream"};
  return names[static_cast<int>(mode)];
}

/// Whether both experts of a group are in pinned host memory and take turns on its GPU.
constexpr bool exchanges_experts(PlacementMode mode) { return mode >= PlacementMode::phased; }

/// Where and when texts are embedded. `resident`: by an encoder that stays on the GPU. `upfront`: all texts of the list
/// before the first clip, after which the encoder is unloaded. `cpu`: on the host.
enum class TextPlace { resident, upfront, cpu };
/// The names are those in the JSON of `wanfarm plan`.
constexpr const char* to_string(TextPlace place) {
  constexpr const char* names[] = {"beside", "before", "cpu"};
  return names[static_cast<int>(place)];
}

/// Groups that share a role.
struct Pool {
  std::string name;           ///< "all", or "high" and "low" of `pipeline`.
  std::vector<Stage> stages;  ///< Stages that the pool computes; writing, which needs no GPU, is not among them.
  int groups = 1;             ///< Number of groups.
};

/// A placement: all groups have the same degrees.
struct PlacementPlan {
  PlacementMode mode = PlacementMode::resident;
  Degrees degrees;
  std::vector<Pool> pools;  ///< The first one has the first groups.
  Precision precision = Precision::exact;
  TextPlace text = TextPlace::resident;
  GuidanceMode guidance = GuidanceMode::two;
  bool split_decode = false;               ///< The ranks of a group decode a clip together.
  bool offload_expert_for_decode = false;  ///< Decoding takes the memory of the expert, which waits in pinned memory.
  int streamed_blocks = 0;                 ///< `stream`: blocks of each expert that wait in host memory.
  int stashed = 1;                         ///< `phased`: clips of a group that wait for the exchange.
  /// The low-noise expert is loaded while the first clip's high-noise steps are computed, not before.
  bool loads_behind = false;
  /// Clips stop at the boundary between the experts, so that no group needs the low-noise expert.
  bool draft = false;

  /// Ranks that share the tokens of one forward.
  int sequence() const { return degrees.ulysses * degrees.ring; }
  int group_size() const { return degrees.guidance * sequence(); }
  /// The first pool that has the stage, or the first pool when none has.
  const Pool& pool_of(Stage stage) const;
};

/// The guidance modes that `asked` allows for these degrees, the preferred one first. Where ranks share a forward on
/// GPUs, a batch of 2 is preferred, but takes more memory.
std::vector<GuidanceMode> guidance_modes(GuidanceMode asked, const Degrees& degrees, bool on_gpus);

/// "guidance 2 x ulysses 4": the degrees above 1; empty when there is none.
std::string describe(const Degrees& degrees);

/// "pipeline 5:3, groups of 1" (the high-noise pool has five); "resident, 1 group of 8 (guidance 2 x ulysses 4)".
std::string describe(const PlacementPlan& plan);

/// Whether ranks of a node that offload their expert for decoding share copies of both experts in host memory.
inline bool shares_offloaded(const PlacementPlan& plan) {
  return plan.offload_expert_for_decode && plan.mode == PlacementMode::pipeline && !plan.draft;
}

/// What flags force. 0 or empty leaves the choice to the planner.
struct PlacementChoices {
  std::optional<PlacementMode> mode = {};
  int guidance = 0, ulysses = 0, ring = 0;
  int high_ranks = 0, low_ranks = 0;     ///< Ranks of each pool of `pipeline`.
  std::optional<bool> text_on_cpu = {};  ///< Whether texts are embedded on the host.
  bool split_decode = true;              ///< Whether the ranks of a group may decode a clip together.
  bool draft = false;                    ///< Clips stop at the boundary; `mode` and pools then mean nothing.
};

/// The user's choices that a plan is made with.
struct PlanningOptions {
  PlacementChoices choices = {};
  std::optional<Path> calibration = {};  ///< File of measured figures; empty: the user's own file, if any.
  double link_between_nodes = 0;         ///< Bytes a second of each GPU to other nodes; 0: those of the figures.
};

/// "--cfg-parallel 2, --ulysses 3": the flags that force a mode, degrees or pools.
std::string describe(const PlacementChoices& choices);

}  // namespace wf
