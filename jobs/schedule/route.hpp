// jobs/schedule/route.hpp: the route of a clip through the groups: its legs, each of them consecutive stages that one
// group does in one role.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "jobs/schedule/queue.hpp"
#include "jobs/schedule/stage.hpp"

namespace wf {

/// The experts that a group works with: both (resident) or one. Groups with one expert form the high and the low pool.
enum class Role { resident, high, low };

/// Consecutive stages of one clip, from `first` to `last` inclusive, done by one group.
struct Leg {
  Role role;
  Stage first, last;
  bool operator==(const Leg&) const = default;
  bool hands_over() const { return last != Stage::write; }  ///< Whether another group continues the clip.
};

/// Which pool does the stages that need no expert. Ignored where groups are resident.
struct LightStages {
  Role text = Role::high;
  Role decode = Role::low;  ///< The pool for both decode and write.
};

/// The legs of one clip in order, each given by its level in the queue. Together they cover all stages.
using Route = std::vector<int>;

/// All legs that clips can have, each with a level in the queue. Legs nearer the end have higher levels, so that clips
/// that have begun are finished first. The exception is a leg of text alone, which has the highest level: it is short,
/// and the other pool waits for its result.
class LegLevels {
 public:
  /// pools: whether groups form a high and a low pool; otherwise all are resident.
  LegLevels(bool pools, const LightStages& light);

  const Leg& leg(int level) const { return legs_.at(static_cast<std::size_t>(level)); }
  /// The route of a clip that has steps for the high-noise expert, the low-noise expert, or both. It is a single leg
  /// where groups are resident, and for a clip with steps for one expert only, which that expert's pool does alone.
  Route route(bool has_high, bool has_low) const;
  /// Index in the route of the leg that contains the stage.
  std::size_t leg_with(const Route& route, Stage stage) const;
  /// The role in which each stage of the route is done.
  std::array<Role, all_stages.size()> roles(const Route& route) const;

  /// Levels of the legs that are done in this role.
  Queue::Levels levels_of(Role role) const;
  /// Levels of the legs with which clips begin.
  Queue::Levels beginning() const;
  /// Levels of the legs that end with this stage and hand the clip over to another group.
  Queue::Levels handing_over_after(Stage last) const;

 private:
  std::vector<Leg> legs_of_clip(bool has_high, bool has_low) const;

  bool pools_;
  LightStages light_;
  std::vector<Leg> legs_;  ///< By level.
};

}  // namespace wf
