// jobs/schedule/route.hpp: the route of a clip through the groups: which consecutive stages one group does, and in
// which role.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "jobs/schedule/queue.hpp"
#include "jobs/schedule/stage.hpp"

namespace wf {

/// The experts that a group works with: both, or one of them. Groups with one expert form the high and the low pool.
enum class Role { resident, high, low };

/// Consecutive stages of one clip, from `first` to `last` inclusive, done by one group.
struct Leg {
  Role role;
  Stage first, last;
  bool operator==(const Leg&) const = default;
  bool hands_over() const { return last != Stage::write; }  ///< Whether another group continues the clip.
};

/// The pool, high or low, that does the stages which need no expert. Ignored where groups are resident.
struct LightStages {
  Role text = Role::high;
  Role decode = Role::low;  ///< The pool for both decode and write.
};

/// The legs of one clip in order, each given by its level in the queue. Together they cover all stages.
using Route = std::vector<int>;

/// All legs that clips can have, each with a level in the queue. Legs nearer the end have higher levels, so that clips
/// that have begun are finished first. A leg of text alone has the highest level: it is short, and the other pool waits
/// for its result.
class LegLevels {
 public:
  LegLevels(bool pools, const LightStages& light);

  const Leg& leg(int level) const { return legs_.at(static_cast<std::size_t>(level)); }
  /// The route of a clip: a single leg where groups are resident. A clip without steps for one of the experts has
  /// nothing to hand over and is a single leg, too, in the other expert's pool.
  Route route(bool has_high, bool has_low) const;
  /// Index in the route of the leg that contains the stage.
  std::size_t leg_with(const Route& route, Stage stage) const;
  /// The role in which each stage of the route is done.
  std::array<Role, all_stages.size()> roles(const Route& route) const;

  /// Levels of the legs that are done in this role.
  Queue::Levels levels_of(Role role) const;
  /// Levels of the legs that end with this stage and hand the clip over to another group.
  Queue::Levels handing_over_after(Stage last) const;

 private:
  std::vector<Leg> legs_of_clip(bool has_high, bool has_low) const;

  bool pools_;
  LightStages light_;
  std::vector<Leg> legs_;  ///< By level.
};

}  // namespace wf
