#include "parallel/nccl_link.hpp"

#include <c10/cuda/CUDAGuard.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "cluster/error.hpp"
#include "parallel/device_span.hpp"
#include "parallel/polling.hpp"

namespace wf {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto between_looks = 50ms;
constexpr auto closing_time = 3s;
constexpr std::chrono::milliseconds making_time = 1min;  // NCCL looks at the machine, and loads its kernels

/// What an answer in non-blocking mode may be.
bool is_well(ncclResult_t code) { return code == ncclSuccess || code == ncclInProgress; }

/// NCCL's own words for a code, and what it noted last, which may be about another communicator.
std::string nccl_words(ncclResult_t code) {
  const std::string noted = ncclGetLastError(nullptr);
  return std::string(ncclGetErrorString(code)) + (noted.empty() ? "" : ": " + noted);
}

std::set<int> others(const std::vector<int>& names, int rank) {
  std::set<int> peers(names.begin(), names.end());
  peers.erase(names[static_cast<std::size_t>(rank)]);
  return peers;
}

/// The group is ended in any case: NCCL counts on it.
ncclResult_t post_as_group(const NcclLink::Post& post, ncclComm_t comm, cudaStream_t stream) {
  if (const ncclResult_t code = ncclGroupStart(); code != ncclSuccess) return code;
  const ncclResult_t posted = post(comm, stream), ended = ncclGroupEnd();
  return is_well(posted) ? ended : posted;
}

/// Does it on a thread that nobody joins, for it may take as long as a peer likes.
std::future<void> aside(at::Device gpu, const std::function<void()>& work) {
  std::packaged_task<void()> task([gpu, work] {
    const c10::cuda::CUDAGuard guard(gpu);
    work();
  });
  std::future<void> done = task.get_future();
  std::thread(std::move(task)).detach();
  return done;
}

/// Completes what is under way, and destroys; aborts when that fails, or takes too long.
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

void NcclWatch::add(NcclLink& link) {
  const std::lock_guard lock(mutex_);
  links_.insert(&link);
}

void NcclWatch::remove(NcclLink& link) {
  const std::lock_guard lock(mutex_);
  links_.erase(&link);
}

void NcclWatch::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    stopped_.wait_for(lock, stop, between_looks, [] { return false; });
    for (NcclLink* const link : links_) link->look();
  }
}

NcclCommon::NcclCommon(at::Device on, const NcclWaiting& how_to_wait)
    : gpu(on), waiting(how_to_wait), stream(c10::cuda::getStreamFromPool(/*isHighPriority=*/true, on.index())) {}

NcclLink::NcclLink(std::shared_ptr<NcclCommon> common, const ncclUniqueId& id, int rank, std::vector<int> names)
    : common_(std::move(common)), rank_(rank), names_(std::move(names)) {
  if (names_.size() > 1) make(id);
  common_->watch.add(*this);
}

void NcclLink::make(const ncclUniqueId& id) {
  static constexpr const char* call = "ncclCommInitRankConfig";
  const c10::cuda::CUDAGuard guard(common_->gpu);
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  {
    const std::lock_guard lock(mutex_);
    comm_ = std::make_shared<ncclComm_t>(nullptr);
    const ncclResult_t code = ncclCommInitRankConfig(comm_.get(), static_cast<int>(names_.size()), id, rank_, &config);
    if (!is_well(code)) give_up(call, "failed: " + nccl_words(code));
  }
  wait_until_queued(call, others(names_, rank_), std::max(common_->waiting.deadline, making_time));
}

NcclLink::~NcclLink() {
  common_->watch.remove(*this);
  try {
    if (comm_)
      gone_ = aside(common_->gpu, [comm = comm_, deadline = common_->waiting.deadline] { close(*comm, deadline); });
    if (gone_.valid() && gone_.wait_for(closing_time) != std::future_status::ready)
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
  operation->begin.record(common_->stream);
  if (!operation->peers.empty()) {
    {
      const std::lock_guard lock(mutex_);
      throw_if_broken();
      const ncclResult_t code = post_as_group(post, *comm_, common_->stream);
      if (!is_well(code)) give_up(call, "failed: " + nccl_words(code));
    }
    wait_until_queued(call, operation->peers, common_->waiting.deadline);
  }
  const std::lock_guard lock(mutex_);
  throw_if_broken();
  operation->end.record(common_->stream);
  operations_.push_back(operation);
  return operation;
}

/// NCCL queues a group from a thread of its own; an event recorded earlier would not come after it.
void NcclLink::wait_until_queued(const char* call, const std::set<int>& peers, std::chrono::milliseconds deadline) {
  const auto queued = [&] {
    const std::lock_guard lock(mutex_);
    throw_if_broken();
    const ncclResult_t now = state();
    if (!is_well(now)) give_up(call, "failed: " + nccl_words(now));
    throw_if_broken();
    return now == ncclSuccess;
  };
  const MpiWaiting waiting{.deadline = deadline, .abort = common_->waiting.abort};
  const auto why = wait_until(waiting, queued, [&] { return peers; });
  if (!why) return;
  const std::lock_guard lock(mutex_);
  give_up(call, *why);
  throw_if_broken();
}

void NcclLink::finish(const NcclOperation& operation) {
  const c10::cuda::CUDAGuard guard(common_->gpu);
  while (!operation.end.query()) {  // the watch sees to it that this ends
    std::this_thread::sleep_for(50us);
  }
  check();
}

void NcclLink::check() {
  const std::lock_guard lock(mutex_);
  throw_if_broken();
}

void NcclLink::look() {
  const std::lock_guard lock(mutex_);
  if (!failure_.empty()) return;
  std::optional<std::string> why;
  try {
    const c10::cuda::CUDAGuard guard(common_->gpu);
    why = trouble();
  } catch (const std::exception& error) {  // CUDA's: the GPU is lost, or a kernel failed on it
    why = "failed: " + std::string(current_error().what());
  }
  if (!why) return;
  give_up(operations_.empty() ? "NCCL" : operations_.front()->call, *why);
  spdlog::error("{}", failure_);  // nobody may ever call again
}

ncclResult_t NcclLink::state() const {
  ncclResult_t result = ncclSuccess;
  if (!comm_) return result;
  const ncclResult_t code = ncclCommGetAsyncError(*comm_, &result);
  return code == ncclSuccess ? result : code;
}

/// What is wrong with the operation that has been under way for longest, if anything is.
std::optional<std::string> NcclLink::trouble() {
  if (const ncclResult_t now = state(); !is_well(now)) return "failed: " + nccl_words(now);
  if (common_->broken) return "stops: ranks of its group have failed";
  while (!operations_.empty() && operations_.front()->end.query()) operations_.pop_front();
  if (operations_.empty()) return std::nullopt;
  NcclOperation& first = *operations_.front();
  const auto now = Clock::now();
  if (!first.begun && first.begin.query()) first.begun = now;
  const Clock::duration waited = first.begun ? now - *first.begun : Clock::duration::zero();
  const double seconds = std::chrono::duration<double>(waited).count();
  if (common_->waiting.abort && *common_->waiting.abort)
    return fmt::format("was told to stop, {:.1f} s into waiting for {}", seconds, name_ranks(first.peers));
  if (waited > common_->waiting.deadline)
    return fmt::format("waited {:.1f} s in vain for {}", seconds, name_ranks(first.peers));
  return std::nullopt;
}

void NcclLink::throw_if_broken() const {
  if (!failure_.empty()) throw Error(Error::resource, failure_);
}

/// Kernels that run see the abort and end, so that whoever waits for the stream goes on.
void NcclLink::give_up(const std::string& call, const std::string& why) {
  if (!failure_.empty()) return;
  failure_ = fmt::format("{} among {}: rank {} {}", call, name_ranks({names_.begin(), names_.end()}),
                         names_[static_cast<std::size_t>(rank_)], why);
  common_->broken = true;
  if (common_->waiting.failed) *common_->waiting.failed = true;
  operations_.clear();
  if (const auto comm = std::exchange(comm_, nullptr); comm && *comm)
    gone_ = aside(common_->gpu, [comm] { ncclCommAbort(*comm); });
}

}  // namespace wf
