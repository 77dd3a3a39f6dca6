// parallel/mpi_messages.hpp: pending messages of tensors in an MPI communicator, the part of mpi_communicator.cpp that
// calls MPI. Only for files that include <mpi.h> anyway.
#pragma once

#include <ATen/core/Tensor.h>
#include <mpi.h>

#include <cstddef>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "cluster/mpi_link.hpp"

namespace wf {

/// Messages that are waited for together. Every function throws as mpi_communicator.hpp documents, and breaks the link
/// when it does.
class MpiMessages {
 public:
  /// longest: bytes of the largest message passed to MPI. call: name of the operation in error messages.
  MpiMessages(std::shared_ptr<MpiLink> link, std::size_t longest, std::string call);
  MpiMessages(MpiMessages&&) = default;  // empties the vectors that the destructor looks at
  ~MpiMessages();

  /// Keeps a tensor alive as long as MPI may access it, after a failure for ever. So its memory must be its own:
  /// throws Error(internal) for a tensor from at::from_blob() without a deleter, which others may free.
  void keep(const at::Tensor& tensor);
  /// Starts a message, in chunks when it is long. Sends nothing when there are no bytes.
  void send(std::span<const std::byte> bytes, int to);
  void receive(std::span<std::byte> bytes, int from);
  /// Starts to overwrite `bytes` on all ranks with those of the root.
  void broadcast(std::span<std::byte> bytes, int root);
  void barrier();

  /// Returns when all messages are complete.
  void wait();
  /// Whether there is nothing left to wait for: all messages are complete, or the link is broken and they never will
  /// be.
  bool over() const { return complete_ || link_->broken; }

 private:
  static constexpr int all_others = -1;
  struct Message {
    int peer;              ///< rank in the link, or all_others
    int expected_bytes{};  ///< bytes that a receive expects; 0: not checked
  };

  MPI_Request* add(Message message);
  void check(int code, const char* function);
  bool test();
  void check_complete(const MPI_Status& status, const Message& message, bool has_code);
  std::set<int> missing_peers() const;
  std::string name(int rank) const;
  [[noreturn]] void give_up(const std::string& why);

  std::shared_ptr<MpiLink> link_;
  std::size_t longest_;
  std::string call_;
  std::vector<at::Tensor> kept_;
  std::vector<MPI_Request> requests_;
  std::vector<Message> messages_;  ///< one for each request
  bool complete_ = false;
};

}  // namespace wf
