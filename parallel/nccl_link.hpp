// parallel/nccl_link.hpp: the part of nccl_communicator.cpp that calls NCCL: an NCCL communicator, its operations in
// flight, and the watchdog thread that watches them. A rank's *name* is the number by which error messages call it,
// usually its rank in MPI_COMM_WORLD. Only for files that include <nccl.h> anyway.
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

/// A thread that polls each link twenty times a second.
class NcclWatchdog {
 public:
  NcclWatchdog() : thread_([this](const std::stop_token& stop) { run(stop); }) {}
  void add(NcclLink& link);
  void remove(NcclLink& link);  ///< once this returns, the link is no longer polled

 private:
  void run(const std::stop_token& stop);

  std::mutex mutex_;
  std::condition_variable_any stopped_;
  std::set<NcclLink*> links_;
  std::jthread thread_;  ///< the last member: it uses the others, and its destructor stops it
};

/// State that a communicator shares with its subgroups.
struct NcclCommon {
  NcclCommon(at::Device on, const Waiting& how_to_wait);

  at::Device gpu;
  Waiting waiting;
  c10::cuda::CUDAStream stream;      ///< one for all: concurrent transfers could wait for each other across ranks
  std::atomic<bool> broken = false;  ///< true once one of the communicators has failed: the others fail with it
  NcclWatchdog watchdog;
};

/// One operation in flight on the common stream.
struct NcclOperation {
  std::string call;
  std::set<int> peers;  ///< the names of the ranks that it waits for
  at::cuda::CUDAEvent begin, end;
  std::optional<std::chrono::steady_clock::time_point> begun;  ///< when the watchdog first saw `begin` done
};

/// An NCCL communicator in non-blocking mode. The destructor destroys it, or aborts it after a failure. In both cases
/// NCCL waits until the peers have done the same, so a detached thread does it, and the destructor waits a few seconds
/// at most. A group of one rank needs no NCCL communicator, and has none.
class NcclLink {
 public:
  /// names: the names of all ranks, in order. Returns once the ranks are connected; throws as nccl_communicator.hpp
  /// documents.
  NcclLink(std::shared_ptr<NcclCommon> common, const ncclUniqueId& id, int rank, std::vector<int> names);
  ~NcclLink();
  NcclLink(const NcclLink&) = delete;
  NcclLink& operator=(const NcclLink&) = delete;

  const std::vector<int>& names() const { return names_; }
  const std::shared_ptr<NcclCommon>& common() const { return common_; }

  using Post = std::function<ncclResult_t(ncclComm_t, cudaStream_t)>;
  /// Queues the NCCL calls that post() makes, as one NCCL group, after the work on the current stream. peers: the names
  /// of the ranks that the operation waits for; if there are none, post() is not called.
  std::shared_ptr<NcclOperation> start(const char* call, std::set<int> peers, const Post& post);
  /// Blocks the host until an operation has ended; throws if the communicator has failed.
  void finish(const NcclOperation& operation);
  /// Throws the failure of this communicator, if it has failed.
  void check();
  /// For the watchdog: aborts the communicator when it is broken or an operation is past its deadline.
  void poll();

 private:
  void connect(const ncclUniqueId& id);
  void wait_until_queued(const char* call, const std::set<int>& peers, std::chrono::milliseconds deadline);
  // These are called with the mutex held:
  ncclResult_t state() const;
  std::optional<std::string> problem();
  void throw_if_broken() const;
  void give_up(const std::string& call, const std::string& why);

  std::shared_ptr<NcclCommon> common_;
  int rank_;
  std::vector<int> names_;
  std::mutex mutex_;                  ///< guards all members below; never held while waiting for ranks
  std::shared_ptr<ncclComm_t> comm_;  ///< shared: NCCL's threads may still write to it after a failure
  std::future<void> released_;        ///< ready once NCCL has released everything
  std::deque<std::shared_ptr<NcclOperation>> operations_;  ///< in flight, in stream order
  std::string failure_;                                    ///< empty as long as nothing has failed
};

}  // namespace wf
