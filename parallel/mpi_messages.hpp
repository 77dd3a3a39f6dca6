// parallel/mpi_messages.hpp: what mpi_communicator.cpp is made of: an MPI communicator that owns itself, and messages
// under way in it.
#pragma once

#include <ATen/core/Tensor.h>
#include <mpi.h>

#include <cstddef>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "parallel/mpi_communicator.hpp"

namespace wf {

/// An MPI communicator over some ranks of a parent. Freed at the end of its life, unless it is broken.
struct MpiLink {
  MpiLink(MPI_Comm parent, const std::vector<int>& members, const MpiWaiting& how_to_wait);
  ~MpiLink();
  MpiLink(const MpiLink&) = delete;
  MpiLink& operator=(const MpiLink&) = delete;
  /// Makes it a broken one: a rank is lost, or has failed.
  void give_up();

  MPI_Comm comm = MPI_COMM_NULL;
  int rank = 0, size = 0;
  std::vector<int> world_ranks;  ///< of each rank here, for the user
  MpiWaiting waiting;
  bool broken = false;
};

/// Messages that are waited for together. All of it throws as mpi_communicator.hpp says, and the link is broken then.
class MpiMessages {
 public:
  MpiMessages(std::shared_ptr<MpiLink> link, std::string call);
  MpiMessages(MpiMessages&&) = default;  // leaves nothing behind that the destructor would see to
  ~MpiMessages();

  /// Keeps a tensor alive as long as MPI may touch it.
  void keep(const at::Tensor& tensor) { kept_.push_back(tensor); }
  /// Starts a message, in pieces where it is long. Nothing is sent when there are no bytes.
  void send(std::span<const std::byte> bytes, int to);
  void receive(std::span<std::byte> bytes, int from);
  /// Starts to replace `bytes` of all ranks by those of the root.
  void broadcast(std::span<std::byte> bytes, int root);
  void barrier();

  /// Returns when all are complete.
  void wait();
  /// True when nothing is left to wait for, or nothing that would ever come.
  bool over() const { return complete_ || link_->broken; }

 private:
  static constexpr int all_others = -1;
  struct Message {
    int peer;              ///< or all_others
    int expected_bytes{};  ///< of a receive; 0: not to be checked
  };

  MPI_Request* add(Message message);
  void check(int code, const char* function);
  bool test();
  void check_complete(const MPI_Status& status, const Message& message, bool has_code);
  std::set<int> missing_peers() const;
  std::string name(int rank) const;
  [[noreturn]] void give_up(const std::string& why);

  std::shared_ptr<MpiLink> link_;
  std::string call_;
  std::vector<at::Tensor> kept_;
  std::vector<MPI_Request> requests_;
  std::vector<Message> messages_;  ///< of the requests
  bool complete_ = false;
};

}  // namespace wf
