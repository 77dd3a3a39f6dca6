// pipeline/experts/experts.hpp: the two experts of a model, loaded when used and kept where the placement says.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "pipeline/execution.hpp"
#include "pipeline/experts/host_expert.hpp"
#include "pipeline/experts/load_behind.hpp"
#include "pipeline/model/dit.hpp"

namespace wf {

class NodeReader;
struct WeightPeer;

/// Loads each expert at its first use and keeps the two as the residency says. An expert that leaves the device for
/// pinned host memory is copied there once, by one of the ranks that share the copy, and later uploaded from it. An
/// expert that is leased to a peer leaves the device once the lease has been returned.
///
/// With streamed blocks, so many blocks of each expert stay in host memory also while it is used, and travel to the
/// device for every forward (BlockStream); the expert is loaded to host memory and was never on the device as a whole.
///
/// An expert that was loaded with matrices in 8 bits (WeightForm::as_stored) is kept so in host memory, and widened
/// when it enters the device: half the bytes to keep and to upload.
///
/// Threads: one thread owns the object; any other thread may call lease(), and keep and release what it returns. What
/// is loaded behind is loaded on a thread of the object's own.
class Experts {
 public:
  /// Loads an expert onto the device. together: ranks of the node that load the same files at the same time; null:
  /// none. peer: a rank of the node that may have the expert on its GPU and is asked for a copy first; null: nobody is
  /// asked. settle: takes each block that comes from files, once it is loaded; may be empty. What comes from files may
  /// be in the form to be kept in host memory.
  using Load =
      std::function<DitWeights(Expert, NodeReader* together, const WeightPeer* peer, const SettleBlock& settle)>;

  /// patience: how long an expert that has to leave the device waits for its leases to be returned. After that its
  /// memory stays taken until they are, and a warning is logged. form: how the weights are on the device, as_computed
  /// or fp8. streamed: blocks of each expert that stay in host memory, where experts are exchanged.
  Experts(Residency residency, at::Device device, Load load,
          std::chrono::milliseconds patience = std::chrono::seconds(5), WeightForm form = WeightForm::as_computed,
          int streamed = 0)
      : residency_(residency),
        device_(device),
        load_(std::move(load)),
        patience_(patience),
        form_(form),
        streamed_(residency == Residency::exchanged ? streamed : 0) {}
  ~Experts();  ///< ends what is loaded behind; waits for leases, for at most `patience` per expert
  Experts(const Experts&) = delete;
  Experts& operator=(const Experts&) = delete;

  /// Brings an expert onto the device if it is not there. The reference stays valid until free_device(), clear_device()
  /// or, unless both are resident, until the other expert is used. The other expert has left the device before this one
  /// is requested from a peer, so that two ranks that exchange experts do not wait for each other's lease. Throws what
  /// Load throws.
  const DitWeights& use(Expert which, NodeReader* together = nullptr, const WeightPeer* peer = nullptr);

  /// The place for the expert's copy in host memory, before anything is there; its tensors have the form in which the
  /// expert comes from files. Streamed experts need one, and others are copied to memory of this process alone if they
  /// have none. With Residency::one an expert comes back from such a copy, also on ranks that have not had it before.
  /// With Residency::both the ranks that share the copy read the files once; it goes when the expert is there.
  void keep_copy_in(Expert which, std::unique_ptr<HostExpert> host);

  /// Begins to pin memory of this process alone for a copy of the expert, if it is on the device and has no place yet.
  void prepare_copy(Expert which);

  /// Begins to load an expert on another thread while the other one is used: to the device with Residency::both, to
  /// host memory, block by block, where experts are exchanged (it needs a place there). Does nothing with
  /// Residency::one, or when the expert is there already. The next use() of it waits for the end, and loads it itself
  /// if that has failed. Load is then called on that thread, too.
  void load_behind(Expert which);
  /// Ends what is loaded behind, so that Load is not called any more.
  void end_loading_behind() { behind_.reset(); }

  /// The expert if it is on the device, else null. It stays there unchanged while the pointer is kept.
  std::shared_ptr<const DitWeights> lease(Expert which) const;

  /// The expert in the form in which it was loaded, in host memory or on the device; null: it is in neither. It stays
  /// there unchanged while the pointer is kept, and must not be kept long. Any thread may call this.
  std::shared_ptr<const DitWeights> as_loaded(Expert which) const;

  /// Takes the expert on the device, if any, off it and keeps it in host memory. Does nothing with Residency::both.
  void free_device();
  /// The same, but with Residency::both, too: there experts are kept nowhere, and are loaded again at their next use.
  void clear_device();

  /// All uploads of experts from host memory so far: bytes, and the seconds that they took.
  struct Traffic {
    std::uint64_t bytes = 0;
    double seconds = 0;
  };
  const Traffic& traffic() const noexcept { return traffic_; }

 private:
  /// Where copies of one expert are.
  struct Place {
    std::shared_ptr<const DitWeights> device;  ///< null: not on the device; changes under the mutex alone
    /// In pinned memory if the device is a GPU; null: no place for one. It changes as `device` does.
    std::unique_ptr<HostExpert> host;
    bool is_given = false;  ///< its place comes from keep_copy_in(), and stays

    bool has_copy() const { return host && host->is_written(); }
  };
  Place& place(Expert which) { return places_[which == Expert::high ? 0 : 1]; }
  const Place& place(Expert which) const { return places_[which == Expert::high ? 0 : 1]; }
  DitWeights in_form(DitWeights weights, Place& place);
  void put(Place& place, DitWeights weights);
  void keep(Place& place, std::unique_ptr<HostExpert> host);
  std::shared_ptr<const DitWeights> take(Place& place);
  void take_loaded_behind(Expert which);
  std::optional<DitWeights> loaded_behind(Expert which, const std::stop_token& stop);
  void load_to_host(Expert which, NodeReader* together);
  void copy_to_host(Place& place);
  bool write_copy(Place& place, const DitWeights& weights);
  void leave(Place& place);
  void enter(Place& place);

  Residency residency_;
  at::Device device_;
  Load load_;
  std::chrono::milliseconds patience_;
  WeightForm form_;
  int streamed_;
  mutable std::mutex mutex_;
  std::array<Place, 2> places_;  ///< of the high-noise and the low-noise expert
  Traffic traffic_;
  std::optional<LoadBehind> behind_;  ///< the last member, since its thread uses the others
};

}  // namespace wf
