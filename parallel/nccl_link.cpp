#include "parallel/nccl_link.hpp"

#include <c10/cuda/CUDAGuard.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "cluster/waiting.hpp"
#include "parallel/device_graph.hpp"
#include "parallel/device_span.hpp"

namespace wf {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto poll_interval = 50ms;
/// How long the end of a link waits for NCCL to release its memory.
constexpr auto closing_time = 3s;
/// The least deadline for connecting: NCCL explores the node's topology, and loads its kernels.
constexpr std::chrono::milliseconds connecting_time = 1min;

/// Whether a return code in non-blocking mode is no error.
bool is_well(ncclResult_t code) { return code == ncclSuccess || code == ncclInProgress; }

/// NCCL's own text for a code, and its last error message, which may be about another communicator.
std::string nccl_error_text(ncclResult_t code) {
  const std::string last = ncclGetLastError(nullptr);
  return std::string(ncclGetErrorString(code)) + (last.empty() ? "" : ": " + last);
}

std::set<int> others(const std::vector<int>& names, int rank) {
  std::set<int> peers(names.begin(), names.end());
  peers.erase(names[static_cast<std::size_t>(rank)]);
  return peers;
}

/// Makes the calls of post() as one NCCL group. The group is ended even after an error, as NCCL requires.
ncclResult_t post_as_group(const NcclLink::Post& post, ncclComm_t comm, cudaStream_t stream) {
  if (const ncclResult_t code = ncclGroupStart(); code != ncclSuccess) return code;
  const ncclResult_t posted = post(comm, stream), ended = ncclGroupEnd();
  return is_well(posted) ? ended : posted;
}

/// Runs `work` on a detached thread: it may wait for a peer without limit.
std::future<void> on_detached_thread(at::Device gpu, const std::function<void()>& work) {
  std::packaged_task<void()> task([gpu, work] {
    const c10::cuda::CUDAGuard guard(gpu);
    work();
  });
  std::future<void> done = task.get_future();
  std::thread(std::move(task)).detach();
  return done;
}

/// Completes the operations in flight and destroys the communicator; aborts it when that fails or takes too long.
void close(ncclComm_t comm, std::chrono::milliseconds deadline) {
  ncclResult_t state = ncclCommFinalize(comm);
  for (const auto begin = Clock::now(); state == ncclInProgress && Clock::now() - begin < deadline;) {
    std::this_thread::sleep_for(1ms);
    if (const ncclResult_t code = ncclCommGetAsyncError(comm, &state); code != ncclSuccess) state = code;
  }
  if (state == ncclSuccess)
    ncclCommDestroy(comm);
  else
    ncclCommAbort(comm);
}

}  // namespace

void NcclWatchdog::add(NcclLink& link) {
  const std::lock_guard lock(mutex_);
  links_.insert(&link);
}

void NcclWatchdog::remove(NcclLink& link) {
  const std::lock_guard lock(mutex_);
  links_.erase(&link);
}

void NcclWatchdog::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    stopped_.wait_for(lock, stop, poll_interval, [] { return false; });
    for (NcclLink* const link : links_) link->poll();
  }
}

NcclCommon::NcclCommon(at::Device on, const Waiting& how_to_wait)
    : gpu(on), waiting(how_to_wait), stream(c10::cuda::getStreamFromPool(/*isHighPriority=*/true, on.index())) {}

NcclLink::NcclLink(std::shared_ptr<NcclCommon> common, const ncclUniqueId& id, int rank, std::vector<int> names)
    : common_(std::move(common)), rank_(rank), names_(std::move(names)) {
  if (names_.size() > 1) connect(id);
  common_->watchdog.add(*this);
}

void NcclLink::connect(const ncclUniqueId& id) {
  static constexpr const char* call = "ncclCommInitRankConfig";
  const c10::cuda::CUDAGuard guard(common_->gpu);
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  {
    const std::lock_guard lock(mutex_);
    comm_ = std::make_shared<ncclComm_t>(nullptr);
    const ncclResult_t code = ncclCommInitRankConfig(comm_.get(), static_cast<int>(names_.size()), id, rank_, &config);
    if (!is_well(code)) give_up(call, "failed: " + nccl_error_text(code));
  }
  wait_until_queued(call, others(names_, rank_), std::max(common_->waiting.deadline, connecting_time));
}

NcclLink::~NcclLink() {
  common_->watchdog.remove(*this);
  try {
    if (comm_)
      released_ = on_detached_thread(common_->gpu,
                                     [comm = comm_, deadline = common_->waiting.deadline] { close(*comm, deadline); });
    if (released_.valid() && released_.wait_for(closing_time) != std::future_status::ready)
      spdlog::debug("NCCL still waits until all ranks among {} have let go",
                    name_ranks({names_.begin(), names_.end()}));
  } catch (const std::exception& error) {
    spdlog::error("the end of an NCCL communicator: {}", error.what());
  }
}

std::shared_ptr<NcclOperation> NcclLink::start(const char* call, std::set<int> peers, const Post& post) {
  check();
  const c10::cuda::CUDAGuard guard(common_->gpu);
  const auto operation = std::make_shared<NcclOperation>();
  operation->call = call;
  operation->peers = std::move(peers);
  at::cuda::CUDAEvent ready;
  ready.record(c10::cuda::getCurrentCUDAStream());
  ready.block(common_->stream);
  const c10::cuda::CUDAStreamGuard on_stream(common_->stream);
  const DeviceSpan span(common_->gpu, "GPU transfers", "communication", call);
  // Events of recorded work cannot be asked for. Its replays are watched through the operations that follow them.
  const bool is_watched = !is_recording(common_->gpu);
  if (is_watched) operation->begin.record(common_->stream);
  if (!operation->peers.empty()) {
    {
      const std::lock_guard lock(mutex_);
      throw_if_broken();
      const ncclResult_t code = post_as_group(post, *comm_, common_->stream);
      if (!is_well(code)) give_up(call, "failed: " + nccl_error_text(code));
    }
    wait_until_queued(call, operation->peers, common_->waiting.deadline);
  }
  const std::lock_guard lock(mutex_);
  throw_if_broken();
  operation->end.record(common_->stream);
  if (is_watched) operations_.push_back(operation);
  return operation;
}

/// Waits until NCCL, which queues a group from a thread of its own, has put it on the stream, so that an event recorded
/// next comes after it.
void NcclLink::wait_until_queued(const char* call, const std::set<int>& peers, std::chrono::milliseconds deadline) {
  const auto queued = [&] {
    const std::lock_guard lock(mutex_);
    throw_if_broken();
    const ncclResult_t now = state();
    if (!is_well(now)) give_up(call, "failed: " + nccl_error_text(now));
    throw_if_broken();
    return now == ncclSuccess;
  };
  const Waiting waiting{.deadline = deadline, .abort = common_->waiting.abort};
  const auto why = wait_until(waiting, queued, [&] { return peers; });
  if (!why) return;
  const std::lock_guard lock(mutex_);
  give_up(call, *why);
  throw_if_broken();
}

void NcclLink::finish(const NcclOperation& operation) {
  const c10::cuda::CUDAGuard guard(common_->gpu);
  while (!operation.end.query()) {  // the watchdog ends this loop if a peer is lost
    std::this_thread::sleep_for(50us);
  }
  check();
}

void NcclLink::check() {
  const std::lock_guard lock(mutex_);
  throw_if_broken();
}

void NcclLink::poll() {
  const std::lock_guard lock(mutex_);
  if (!failure_.empty()) return;
  std::optional<std::string> why;
  try {
    const c10::cuda::CUDAGuard guard(common_->gpu);
    why = problem();
  } catch (const std::exception& error) {  // an error of CUDA: the GPU is lost, or a kernel failed on it
    why = "failed: " + std::string(current_error().what());
  }
  if (!why) return;
  give_up(operations_.empty() ? "NCCL" : operations_.front()->call, *why);
  spdlog::error("{}", failure_);  // there may be no later call that would throw it
}

ncclResult_t NcclLink::state() const {
  ncclResult_t result = ncclSuccess;
  if (!comm_) return result;
  const ncclResult_t code = ncclCommGetAsyncError(*comm_, &result);
  return code == ncclSuccess ? result : code;
}

/// What is wrong with the communicator or its oldest operation in flight, if anything is.
std::optional<std::string> NcclLink::problem() {
  if (const ncclResult_t now = state(); !is_well(now)) return "failed: " + nccl_error_text(now);
  if (common_->broken) return "stops: ranks of its group have failed";
  while (!operations_.empty() && operations_.front()->end.query()) operations_.pop_front();
  if (operations_.empty()) return std::nullopt;
  NcclOperation& first = *operations_.front();
  const auto now = Clock::now();
  if (!first.begun && first.begin.query()) first.begun = now;
  const Clock::duration waited = first.begun ? now - *first.begun : Clock::duration::zero();
  return reason_to_stop(common_->waiting, waited, [&] { return first.peers; });
}

void NcclLink::throw_if_broken() const {
  if (!failure_.empty()) throw Error(Error::resource, failure_);
}

/// Marks the communicator as failed and aborts it. Its running kernels see the abort and end, which frees the stream.
void NcclLink::give_up(const std::string& call, const std::string& why) {
  if (!failure_.empty()) return;
  failure_ = fmt::format("{} among {}: rank {} {}", call, name_ranks({names_.begin(), names_.end()}),
                         names_[static_cast<std::size_t>(rank_)], why);
  common_->broken = true;
  if (common_->waiting.failed) *common_->waiting.failed = true;
  operations_.clear();
  if (const auto comm = std::exchange(comm_, nullptr); comm && *comm)
    released_ = on_detached_thread(common_->gpu, [comm] { ncclCommAbort(*comm); });
}

}  // namespace wf
