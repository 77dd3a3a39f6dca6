// parallel/nccl_link.hpp: what nccl_communicator.cpp is made of: an NCCL communicator that owns itself, what is under
// way in it, and the thread that watches over that. Only for files that speak NCCL.
#pragma once

#include <ATen/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAStream.h>
#include <nccl.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "parallel/nccl_communicator.hpp"

namespace wf {

class NcclLink;

/// Looks at each link twenty times a second, from a thread of its own.
class NcclWatch {
 public:
  NcclWatch() : thread_([this](const std::stop_token& stop) { run(stop); }) {}
  void add(NcclLink& link);
  void remove(NcclLink& link);  ///< it is not looked at any more when this returns

 private:
  void run(const std::stop_token& stop);

  std::mutex mutex_;
  std::condition_variable_any stopped_;
  std::set<NcclLink*> links_;
  std::jthread thread_;  ///< last: it uses the others, and is told to stop by its destructor
};

/// What a communicator shares with its subgroups.
struct NcclCommon {
  NcclCommon(at::Device on, const NcclWaiting& how_to_wait);

  at::Device gpu;
  NcclWaiting waiting;
  c10::cuda::CUDAStream stream;      ///< one: two transfers at once could wait for each other across ranks
  std::atomic<bool> broken = false;  ///< one of the communicators has failed, and the others fail with it
  NcclWatch watch;
};

/// One call under way on the common stream.
struct NcclOperation {
  std::string call;
  std::set<int> peers;  ///< by their names
  at::cuda::CUDAEvent begin, end;
  std::optional<std::chrono::steady_clock::time_point> begun;  ///< when `begin` was first seen to have come
};

/// An NCCL communicator in non-blocking mode, destroyed at the end of its life or aborted when it is not well. Either
/// has NCCL wait until the peers have let go, too: so a thread that nobody joins does it, which holds up the end of a
/// link for seconds at most. A single rank needs no communicator, and gets none.
class NcclLink {
 public:
  /// names: of all ranks. Returns once it is connected; throws as nccl_communicator.hpp says.
  NcclLink(std::shared_ptr<NcclCommon> common, const ncclUniqueId& id, int rank, std::vector<int> names);
  ~NcclLink();
  NcclLink(const NcclLink&) = delete;
  NcclLink& operator=(const NcclLink&) = delete;

  const std::vector<int>& names() const { return names_; }
  const std::shared_ptr<NcclCommon>& common() const { return common_; }

  using Post = std::function<ncclResult_t(ncclComm_t, cudaStream_t)>;
  /// Queues what post() calls, as one group and after what the current stream has to do. peers: the names of those whom
  /// it waits for; none: there is nothing to post.
  std::shared_ptr<NcclOperation> start(const char* call, std::set<int> peers, const Post& post);
  /// Makes the host wait for the end of an operation.
  void finish(const NcclOperation& operation);
  /// Throws what is wrong with these ranks, if anything is.
  void check();
  /// The watch's: aborts when something is wrong.
  void look();

 private:
  void make(const ncclUniqueId& id);
  void wait_until_queued(const char* call, const std::set<int>& peers, std::chrono::milliseconds deadline);
  // To be called with the mutex held:
  ncclResult_t state() const;
  std::optional<std::string> trouble();
  void throw_if_broken() const;
  void give_up(const std::string& call, const std::string& why);

  std::shared_ptr<NcclCommon> common_;
  int rank_;
  std::vector<int> names_;
  std::mutex mutex_;                                       ///< of all below; never held while others are waited for
  std::shared_ptr<ncclComm_t> comm_;                       ///< NCCL's threads may still write there when it is given up
  std::future<void> gone_;                                 ///< of an aborted one: NCCL has let go of everything
  std::deque<std::shared_ptr<NcclOperation>> operations_;  ///< in the order of the stream
  std::string failure_;                                    ///< empty: all is well
};

}  // namespace wf
