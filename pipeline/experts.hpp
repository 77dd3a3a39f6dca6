// pipeline/experts.hpp: the two experts, where the placement keeps them.
#pragma once

#include <array>
#include <functional>
#include <optional>

#include "pipeline/execution.hpp"
#include "pipeline/model/dit.hpp"

namespace wf {

enum class Expert { high, low };

/// Loads an expert when it is first used. resident: both stay on the device. swap: one at a time is there; the other
/// one keeps a copy in pinned host memory, made when it leaves for the first time, and comes back from it.
class Experts {
 public:
  using Load = std::function<DitWeights(Expert)>;  ///< onto the device

  Experts(Placement placement, at::Device device, Load load)
      : placement_(placement), device_(device), load_(std::move(load)) {}

  /// The reference stays valid until the other expert is used (swap), or until free_device().
  const DitWeights& use(Expert which);

  /// Swap: takes the expert that is there off the device, keeping its copy. resident: nothing.
  void free_device();

  /// Bytes that went to the device in exchanges, and the seconds they took.
  struct Traffic {
    std::uint64_t bytes = 0;
    double seconds = 0;
  };
  const Traffic& traffic() const noexcept { return traffic_; }

 private:
  struct Place {
    std::optional<DitWeights> device, host;
  };
  Place& place(Expert which) { return places_[which == Expert::high ? 0 : 1]; }
  void leave(Place& place);
  void enter(Place& place);

  Placement placement_;
  at::Device device_;
  Load load_;
  std::array<Place, 2> places_;
  Traffic traffic_;
};

}  // namespace wf
