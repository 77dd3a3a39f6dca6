#include "launcher/route.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace wf {

std::vector<Leg> route(bool pools, bool has_high, bool has_low, const LightStages& light) {
  if (!pools) return {{Role::resident, Stage::text, Stage::write}};
  if (!has_high) return {{Role::low, Stage::text, Stage::write}};
  if (!has_low) return {{Role::high, Stage::text, Stage::write}};
  const auto role = [&](Stage stage) {
    switch (stage) {
      case Stage::text:
        return light.text;
      case Stage::high:
        return Role::high;
      case Stage::low:
        return Role::low;
      default:
        return light.decode;
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

Lanes::Lanes(bool pools, const LightStages& light) : pools_(pools), light_(light) {
  for (const auto& [high, low] : {std::pair(true, true), std::pair(true, false), std::pair(false, true)})
    for (const Leg& leg : wf::route(pools, high, low, light))
      if (std::find(legs_.begin(), legs_.end(), leg) == legs_.end()) legs_.push_back(leg);
  const auto order = [](const Leg& leg) { return std::tuple(leg.last == Stage::text, leg.first, leg.last, leg.role); };
  std::sort(legs_.begin(), legs_.end(), [&](const Leg& a, const Leg& b) { return order(a) < order(b); });
}

std::vector<int> Lanes::route(bool has_high, bool has_low) const {
  std::vector<int> lanes;
  for (const Leg& leg : wf::route(pools_, has_high, has_low, light_))
    lanes.push_back(static_cast<int>(std::find(legs_.begin(), legs_.end(), leg) - legs_.begin()));
  return lanes;
}

std::size_t Lanes::leg_with(const std::vector<int>& route, Stage stage) const {
  std::size_t i = 0;
  while (leg(route.at(i)).last < stage) ++i;
  return i;
}

std::array<Role, all_stages.size()> Lanes::roles(const std::vector<int>& route) const {
  std::array<Role, all_stages.size()> roles;
  for (const Stage stage : all_stages) roles[static_cast<std::size_t>(stage)] = leg(route[leg_with(route, stage)]).role;
  return roles;
}

Queue::Lanes Lanes::of(Role role) const {
  Queue::Lanes lanes = 0;
  for (std::size_t i = 0; i < legs_.size(); ++i) lanes |= Queue::Lanes{legs_[i].role == role} << i;
  return lanes;
}

Queue::Lanes Lanes::handing_over(Stage last) const {
  Queue::Lanes lanes = 0;
  for (std::size_t i = 0; i < legs_.size(); ++i)
    lanes |= Queue::Lanes{legs_[i].hands_over() && legs_[i].last == last} << i;
  return lanes;
}

}  // namespace wf
