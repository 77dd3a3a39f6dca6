// cluster/transport.hpp: packets of bytes between ranks. Sending never waits for the receiver; receiving polls.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace wf {

using Bytes = std::vector<std::uint8_t>;
/// Bytes that several packets have in common.
using SharedBytes = std::shared_ptr<const Bytes>;

/// What another rank has sent.
struct Packet {
  int from = 0;  ///< rank of the sender
  Bytes bytes;
};

/// The end of a transport at one rank. Packets of one sender arrive in the order in which they were sent, each once.
/// Errors of the library are thrown as Error(resource).
class Transport {
 public:
  virtual ~Transport() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Queues a packet and returns at once, even when the receiver is lost and will never read it. A rank may send to
  /// itself. Safe from any thread.
  virtual void send(int to, SharedBytes bytes) = 0;
  void send(int to, Bytes bytes) { send(to, std::make_shared<const Bytes>(std::move(bytes))); }
  /// Drops what is on its way to or from a rank that is lost, and what is sent to it from now on. Safe from any thread.
  virtual void forget(int rank) = 0;
  /// The next packet that has arrived completely; empty when there is none. Call it all the time, from one thread:
  /// packets in flight, outgoing ones as well, make progress only inside this call.
  virtual std::optional<Packet> receive() = 0;
  /// Whether a long packet is in flight, so that the next receive() should follow without a pause.
  virtual bool is_carrying() const = 0;
  /// Waits until all sent packets have left, at most for `deadline`. Returns false when some have not.
  virtual bool flush(std::chrono::milliseconds deadline) = 0;
};

/// The transport of a process that is alone: rank 0 sends to itself.
std::unique_ptr<Transport> local_transport();

}  // namespace wf
