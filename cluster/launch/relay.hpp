// cluster/launch/relay.hpp: passes on what a child process writes, so that the child outlives the terminal.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <stop_token>
#include <thread>

#include "base/descriptor.hpp"

namespace wf {

/// A pipe from a child to one of this process's own streams. A child that wrote to the terminal itself would be left
/// with a dead one when it closes, and mpirun ends its ranks after some writes to a pipe that nobody reads. The relay
/// reads all the same, and drops what nobody wants.
class Relay {
 public:
  /// stream: the descriptor of this process that gets what the child writes. Throws Error(environment) when there is no
  /// descriptor left for a pipe.
  explicit Relay(int stream);
  /// Passes on what the child wrote before it ended, and waits for whoever reads that. Processes that the child left
  /// behind may still hold the pipe open, and are not waited for.
  ~Relay() = default;
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  /// In the child: makes the pipe its stream of the same number. Safe after fork().
  void become_stream() const noexcept;
  /// In this process, after the fork: starts the thread that reads. SIGPIPE and SIGTTOU have to be ignored.
  void start();
  /// From now on, what the reader does not take at once is dropped: it must not hold up the end.
  void hurry() { patient_ = false; }

 private:
  struct Pipe {
    explicit Pipe(std::array<int, 2> ends);
    Descriptor out, in;
  };
  void run(const std::stop_token& stop);
  void pass_on(const char* bytes, std::size_t count);

  const int stream_;
  Pipe pipe_;
  bool wanted_ = true;  ///< false once a write has failed
  std::atomic<bool> patient_ = true;
  std::jthread thread_;
};

}  // namespace wf
