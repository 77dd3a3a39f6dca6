// pipeline/experts.hpp: the two experts, where the placement keeps them.
#pragma once

#include <array>
#include <functional>
#include <optional>

#include "pipeline/execution.hpp"
#include "pipeline/model/dit.hpp"

namespace wf {

class NodeReader;

enum class Expert { high, low };

/// Loads an expert when it is first used, and keeps the two as the residency says. What leaves the device for pinned
/// host memory is copied there once, and comes back from the copy.
class Experts {
 public:
  /// Onto the device; together: with other ranks of the machine, or none.
  using Load = std::function<DitWeights(Expert, NodeReader* together)>;

  Experts(Residency residency, at::Device device, Load load)
      : residency_(residency), device_(device), load_(std::move(load)) {}

  /// The reference stays valid until the other expert is used (but with both), or until free_device().
  const DitWeights& use(Expert which, NodeReader* together = nullptr);

  /// Takes the expert that is there off the device, keeping a copy in host memory. both: nothing.
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
  void copy_to_host(Place& place);
  void leave(Place& place);
  void enter(Place& place);

  Residency residency_;
  at::Device device_;
  Load load_;
  std::array<Place, 2> places_;
  Traffic traffic_;
};

}  // namespace wf
