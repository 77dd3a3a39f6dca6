// pipeline/experts.hpp: the two experts, where the placement keeps them.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "pipeline/execution.hpp"
#include "pipeline/model/dit.hpp"

namespace wf {

class NodeReader;
struct Lender;

enum class Expert { high, low };

/// Loads an expert when it is first used, and keeps the two as the residency says. What leaves the device for pinned
/// host memory is copied there once, and comes back from the copy. What is lent leaves once it has been returned.
class Experts {
 public:
  /// Onto the device; together: with other ranks of the machine, or none; lender: of them, to be asked first, or none.
  using Load = std::function<DitWeights(Expert, NodeReader* together, const Lender* lender)>;

  /// patience: how long an expert that has to leave the device stays because it is lent.
  Experts(Residency residency, at::Device device, Load load,
          std::chrono::milliseconds patience = std::chrono::seconds(5))
      : residency_(residency), device_(device), load_(std::move(load)), patience_(patience) {}
  ~Experts();  ///< waits for what is lent, as long as that
  Experts(const Experts&) = delete;
  Experts& operator=(const Experts&) = delete;

  /// The reference stays valid until the other expert is used (but with both), or until free_device(). What makes room
  /// for an expert has left when it is loaded, so that two ranks may borrow each other's without waiting for each
  /// other.
  const DitWeights& use(Expert which, NodeReader* together = nullptr, const Lender* lender = nullptr);

  /// The expert on the device, which stays as it is while this is kept; null: it is not there. For any thread.
  std::shared_ptr<const DitWeights> lend(Expert which) const;

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
    std::shared_ptr<const DitWeights> device;  ///< changes under the mutex, in put() and take()
    std::optional<DitWeights> host;
  };
  Place& place(Expert which) { return places_[which == Expert::high ? 0 : 1]; }
  const Place& place(Expert which) const { return places_[which == Expert::high ? 0 : 1]; }
  void put(Place& place, DitWeights weights);
  std::shared_ptr<const DitWeights> take(Place& place);
  void copy_to_host(Place& place);
  void leave(Place& place);
  void enter(Place& place);

  Residency residency_;
  at::Device device_;
  Load load_;
  std::chrono::milliseconds patience_;
  mutable std::mutex mutex_;
  std::array<Place, 2> places_;
  Traffic traffic_;
};

}  // namespace wf
