// launcher/route.hpp: the legs of a clip: which stages one group does in a row, and in which role. Pure.
#pragma once

#include <array>
#include <vector>

#include "jobs/queue.hpp"
#include "pipeline/stage.hpp"

namespace wf {

/// What a group holds: both experts, or one of them.
enum class Role { resident, high, low };

/// Stages first..last of one clip, done by one group.
struct Leg {
  Role role;
  Stage first, last;
  bool operator==(const Leg&) const = default;
  bool hands_over() const { return last != Stage::write; }  ///< another group goes on
};

/// Where text, decode and write are done when there are pools: neither needs an expert. High or low.
struct LightStages {
  Role text = Role::high;
  Role decode = Role::low;  ///< write too
};

/// The legs of a clip, in order; together they are all stages. One leg without pools. A clip that has no steps for one
/// of the experts has nothing to hand over: it is one leg in the other's pool.
std::vector<Leg> route(bool pools, bool has_high, bool has_low, const LightStages& light);

/// Every leg that clips can have, each as a lane of the queue. Those nearer the end have higher numbers, so that what
/// is begun is finished first. Highest are those that only embed a text: it is short, and the other pool waits for it.
class Lanes {
 public:
  Lanes(bool pools, const LightStages& light);
  const Leg& leg(int lane) const { return legs_.at(static_cast<std::size_t>(lane)); }
  std::vector<int> route(bool has_high, bool has_low) const;               ///< wf::route as lanes
  std::size_t leg_with(const std::vector<int>& route, Stage stage) const;  ///< which one of the route has the stage
  std::array<Role, all_stages.size()> roles(const std::vector<int>& route) const;  ///< of its stages
  Queue::Lanes of(Role role) const;
  Queue::Lanes handing_over(Stage last) const;  ///< those after which another group goes on

 private:
  bool pools_;
  LightStages light_;
  std::vector<Leg> legs_;
};

}  // namespace wf
