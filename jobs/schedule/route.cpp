#include "jobs/schedule/route.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace wf {

LegLevels::LegLevels(bool pools, const LightStages& light) : pools_(pools), light_(light) {
  for (const auto& [high, low] : {std::pair(true, true), std::pair(true, false), std::pair(false, true)})
    for (const Leg& leg : legs_of_clip(high, low))
      if (std::find(legs_.begin(), legs_.end(), leg) == legs_.end()) legs_.push_back(leg);
  const auto order = [](const Leg& leg) { return std::tuple(leg.last == Stage::text, leg.first, leg.last, leg.role); };
  std::sort(legs_.begin(), legs_.end(), [&](const Leg& a, const Leg& b) { return order(a) < order(b); });
}

std::vector<Leg> LegLevels::legs_of_clip(bool has_high, bool has_low) const {
  if (!pools_) return {{Role::resident, Stage::text, Stage::write}};
  if (!has_high) return {{Role::low, Stage::text, Stage::write}};
  if (!has_low) return {{Role::high, Stage::text, Stage::write}};
  const auto role = [&](Stage stage) {
    switch (stage) {
      case Stage::text:
        return light_.text;
      case Stage::high:
        return Role::high;
      case Stage::low:
        return Role::low;
      default:
        return light_.decode;
    }
  };
  std::vector<Leg> legs;
  for (const Stage stage : all_stages) {
    if (!legs.empty() && legs.back().role == role(stage))
      legs.back().last = stage;
    else
      legs.push_back({role(stage), stage, stage});
  }
  return legs;
}

Route LegLevels::route(bool has_high, bool has_low) const {
  Route route;
  for (const Leg& leg : legs_of_clip(has_high, has_low))
    route.push_back(static_cast<int>(std::find(legs_.begin(), legs_.end(), leg) - legs_.begin()));
  return route;
}

std::size_t LegLevels::leg_with(const Route& route, Stage stage) const {
  std::size_t i = 0;
  while (leg(route.at(i)).last < stage) ++i;
  return i;
}

std::array<Role, all_stages.size()> LegLevels::roles(const Route& route) const {
  std::array<Role, all_stages.size()> roles;
  for (const Stage stage : all_stages) roles[static_cast<std::size_t>(stage)] = leg(route[leg_with(route, stage)]).role;
  return roles;
}

Queue::Levels LegLevels::levels_of(Role role) const {
  Queue::Levels levels = 0;
  for (std::size_t i = 0; i < legs_.size(); ++i) levels |= Queue::Levels{legs_[i].role == role} << i;
  return levels;
}

Queue::Levels LegLevels::beginning() const {
  Queue::Levels levels = 0;
  for (std::size_t i = 0; i < legs_.size(); ++i) levels |= Queue::Levels{legs_[i].first == Stage::text} << i;
  return levels;
}

Queue::Levels LegLevels::handing_over_after(Stage last) const {
  Queue::Levels levels = 0;
  for (std::size_t i = 0; i < legs_.size(); ++i)
    levels |= Queue::Levels{legs_[i].hands_over() && legs_[i].last == last} << i;
  return levels;
}

}  // namespace wf
