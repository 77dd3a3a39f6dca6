#include "cluster/mpi_transport.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>
#include <list>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "cluster/mpi_check.hpp"
#include "cluster/mpi_link.hpp"

namespace wf {
namespace {

constexpr int packet_tag = 3;
/// Bytes from which on MPI moves a packet in several steps, each inside a call of MPI.
constexpr std::size_t long_packet = 64 << 10;

/// A packet that MPI is sending or receiving. Its bytes must not move until the request is complete.
template <class Held>
struct InFlight {
  int peer = 0;  ///< the other rank
  Held bytes;
  MPI_Request request = MPI_REQUEST_NULL;
};

using Leaving = InFlight<SharedBytes>;
using Arriving = InFlight<Bytes>;

template <class Held>
bool is_complete(InFlight<Held>& packet) {
  int done = 0;
  WF_MPI(MPI_Test(&packet.request, &done, MPI_STATUS_IGNORE));
  return done != 0;
}

class MpiTransport final : public Transport {
 public:
  MpiTransport(MPI_Comm parent, const std::vector<int>& members, const Waiting& waiting)
      : link_(parent, members, waiting) {}
  ~MpiTransport() override {
    if (is_at_rest()) return;
    link_.give_up();
    new std::list<Leaving>(std::move(leaving_));  // MPI may still access their bytes
    new std::list<Arriving>(std::move(arriving_));
  }

  int rank() const override { return link_.rank; }
  int size() const override { return link_.size; }

  void send(int to, SharedBytes bytes) override {
    const int count = packet_count(bytes->size());
    const std::lock_guard lock(leaving_mutex_);
    if (forgotten_.contains(to)) return;
    Leaving& packet = leaving_.emplace_back(Leaving{to, std::move(bytes)});
    WF_MPI(MPI_Isend(packet.bytes->data(), count, MPI_BYTE, to, packet_tag, link_.comm, &packet.request));
  }

  void forget(int rank) override {
    link_.give_up();  // freeing the communicator would wait for that rank
    const std::lock_guard lock(leaving_mutex_);
    forgotten_.insert(rank);
    abandon(leaving_, rank);
  }

  std::optional<Packet> receive() override {
    {
      const std::lock_guard lock(leaving_mutex_);
      for (const int rank : forgotten_) abandon(arriving_, rank);
    }
    release_sent_packets();
    while (begin_arrival()) {
    }
    std::set<int> behind;  // senders whose earlier packet is still arriving
    for (auto packet = arriving_.begin(); packet != arriving_.end(); ++packet) {
      if (behind.contains(packet->peer)) continue;
      if (is_complete(*packet)) {
        Packet complete{packet->peer, std::move(packet->bytes)};
        arriving_.erase(packet);
        return complete;
      }
      behind.insert(packet->peer);
    }
    return std::nullopt;
  }

  bool is_carrying() const override {
    if (std::ranges::any_of(arriving_, [](const Arriving& packet) { return packet.bytes.size() >= long_packet; }))
      return true;
    const std::lock_guard lock(leaving_mutex_);
    return std::ranges::any_of(leaving_, [](const Leaving& packet) { return packet.bytes->size() >= long_packet; });
  }

  bool flush(std::chrono::milliseconds deadline) override {
    const auto end = std::chrono::steady_clock::now() + deadline;
    while (!release_sent_packets()) {
      if (std::chrono::steady_clock::now() >= end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
  }

 private:
  /// MPI may go on to access the bytes of a packet that is never completed, so they are never freed.
  template <class Held>
  static void abandon(std::list<InFlight<Held>>& packets, int rank) {
    for (auto packet = packets.begin(); packet != packets.end();) {
      const auto next = std::next(packet);
      if (packet->peer == rank) {
        auto& kept = *new std::list<InFlight<Held>>;
        kept.splice(kept.end(), packets, packet);
      }
      packet = next;
    }
  }

  /// Whether MPI accesses no packet any more. For the destructor: an error of MPI is logged.
  bool is_at_rest() noexcept {
    try {
      return release_sent_packets() && arriving_.empty();
    } catch (const std::exception& error) {
      spdlog::error("the end of a transport: {}", error.what());
      return false;
    }
  }

  /// Returns true when no outgoing packet is left.
  bool release_sent_packets() {
    const std::lock_guard lock(leaving_mutex_);
    std::erase_if(leaving_, is_complete<SharedBytes>);
    return leaving_.empty();
  }

  /// Starts to receive the next packet that a sender has announced. Returns false when there is none.
  bool begin_arrival() {
    int found = 0, bytes = 0;
    MPI_Message message = MPI_MESSAGE_NULL;
    MPI_Status status;
    WF_MPI(MPI_Improbe(MPI_ANY_SOURCE, packet_tag, link_.comm, &found, &message, &status));
    if (!found) return false;
    WF_MPI(MPI_Get_count(&status, MPI_BYTE, &bytes));
    Arriving& packet = arriving_.emplace_back(Arriving{status.MPI_SOURCE, Bytes(static_cast<std::size_t>(bytes))});
    WF_MPI(MPI_Imrecv(packet.bytes.data(), bytes, MPI_BYTE, &message, &packet.request));
    return true;
  }

  MpiLink link_;
  mutable std::mutex leaving_mutex_;
  std::list<Leaving> leaving_;    ///< guarded by leaving_mutex_: any thread may send
  std::set<int> forgotten_;       ///< ranks that are lost; guarded by leaving_mutex_
  std::list<Arriving> arriving_;  ///< of the one thread that receives
};

}  // namespace

int packet_count(std::size_t bytes) {
  if (bytes > std::numeric_limits<int>::max())
    throw Error(Error::internal, "a packet of " + std::to_string(bytes) + " bytes cannot be sent: MPI's limit is " +
                                     std::to_string(std::numeric_limits<int>::max()));
  return static_cast<int>(bytes);
}

std::unique_ptr<Transport> mpi_transport(MPI_Comm parent, const Waiting& waiting) {
  return std::make_unique<MpiTransport>(parent, all_ranks_of(parent), waiting);
}

std::unique_ptr<Transport> mpi_transport(World& world) { return mpi_transport(MPI_COMM_WORLD, world.watched({})); }

}  // namespace wf
