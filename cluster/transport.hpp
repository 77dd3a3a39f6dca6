// parallel/mail.hpp: letters between ranks: sent without waiting for the receiver, read when they have come.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace wf {

using Bytes = std::vector<std::uint8_t>;

struct Letter {
  int from = 0;
  Bytes bytes;
};

/// One rank's mail. Letters of one sender arrive in the order in which they were sent, each once.
class Mail {
 public:
  virtual ~Mail() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Returns at once, also when the receiver is gone: then the letter is never read. To oneself, too. For any thread.
  virtual void send(int to, Bytes bytes) = 0;
  /// The next letter, empty when none has come. For one thread; it also moves along what is on its way, so it has to be
  /// called all the time.
  virtual std::optional<Letter> receive() = 0;
  /// A long letter is on its way: receive() had better be called again at once.
  virtual bool is_carrying() const = 0;
  /// Waits until all that was sent has left, but no longer than that. False when something has not.
  virtual bool flush(std::chrono::milliseconds deadline) = 0;
};

/// Of a process alone.
std::unique_ptr<Mail> local_mail();

}  // namespace wf
