// parallel/peer_exchange_cuda.cpp: heads exchanged by copies between GPUs. A rank's window in GPU memory holds the rows
// that it attends to and the results for its own rows; the other ranks copy into it. Each rank has three flags for each
// other rank, which that rank sets, and which this one clears as soon as it has waited for them:
//   free      the window of that rank may be written: it no longer needs the rows of the last call
//   sent      that rank has copied all of its rows into this rank's window
//   returned  that rank has copied its results into this rank's window
// Between two calls `free` is set and the others are clear. No flag is set twice before it is cleared: `sent` follows
// `free`, which was waited for and cleared before; `free` and `returned` are set after `sent` of the same call has come
// from the rank that clears them, and it sends after it has cleared those of the last call. Results may be copied
// without waiting for a flag: a rank that returns results has received rows of the same call, and those were sent after
// the previous call's results had been used. Nothing that is queued depends on how many calls there were, so a call may
// be recorded and replayed (device_graph.hpp).
//
// Why this cannot deadlock. In each call, all ranks queue the same steps, each after the one before has ended: (1) wait
// for `free`, copy rows, set `sent`; (2) wait for `sent`; (3) copy results, set `returned`; (4) set `free`; (5) wait
// for `returned`. So what a rank waits for is set by another rank in an earlier step. The earliest step in which any
// rank is depends on nothing that can be blocked, so it ends, and by induction all do. This holds for any order in
// which a GPU takes up queued work, because each step waits for the one before on the GPU: wait_for_flags() begins with
// what this rank has queued on other streams.
#include <ATen/ATen.h>
#include <ATen/cuda/CUDAContextLight.h>
#include <ATen/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "base/check.hpp"
#include "base/error.hpp"
#include "base/machine.hpp"
#include "parallel/device_graph.hpp"
#include "parallel/device_span.hpp"
#include "parallel/peer_exchange.hpp"
#include "parallel/peer_memory.hpp"

namespace wf {
namespace {

enum class Flag { free, sent, returned };
constexpr int flags_per_rank = 3;
constexpr std::uint32_t is_set = 1, is_clear = 0;
/// How long works() waits for the other ranks' flags.
constexpr auto answer_time = std::chrono::seconds(10);

std::byte* data_of(const at::Tensor& tensor) { return static_cast<std::byte*>(tensor.data_ptr()); }

std::size_t bytes_of(std::int64_t elements, const at::Tensor& like) {
  return static_cast<std::size_t>(elements) * like.itemsize();
}

/// Rounds a size up to where the next part of a window may begin.
std::int64_t aligned(std::int64_t bytes) { return (bytes + 255) / 256 * 256; }

class PeerExchange final : public HeadExchange {
 public:
  PeerExchange(std::unique_ptr<Communicator> host, at::Device gpu)
      : host_(std::move(host)), gpu_(gpu), flag_memory_(*host_, gpu, std::int64_t{4} * flags_per_rank * host_->size()) {
    for (int other = 0; other < size(); ++other)
      streams_.push_back(c10::cuda::getStreamFromPool(/*isHighPriority=*/true, gpu.index()));
    flag_memory_.own().zero_();
    c10::cuda::getCurrentCUDAStream(gpu.index()).synchronize();
    host_->barrier();
  }

  int rank() const override { return host_->rank(); }
  int size() const override { return host_->size(); }
  int processors() const override { return at::cuda::getDeviceProperties(gpu_.index())->multiProcessorCount; }

  bool can_be_recorded() const override { return can_be_recorded_; }

  /// Whether the ranks' drivers can record how flags are set and waited for; all ranks agree on the answer.
  void try_recording() {
    const std::vector<std::string> problems = all_gather_texts(*host_, why_not_recorded());
    can_be_recorded_ = first_problem(problems).empty();
    if (!can_be_recorded_) spdlog::debug("the exchange of heads is not recorded: {}", first_problem(problems));
  }

  /// Whether flags arrive: every rank sets `free` of each other rank, as the first call expects, and waits for theirs.
  bool works() {
    const c10::cuda::CUDAGuard on_gpu(gpu_);
    for_each_other([&](int other, const c10::cuda::CUDAStream& stream) { set(Flag::free, other, stream); });
    const auto has_all = [&] {
      const at::Tensor seen = flag_memory_.own().view(at::kInt).cpu().view({flags_per_rank, size()});
      return seen[static_cast<int>(Flag::free)].sum().item<std::int64_t>() == size() - 1;
    };
    const auto end = std::chrono::steady_clock::now() + answer_time;
    bool all = has_all();
    while (!all && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      all = has_all();
    }
    return all;
  }

 private:
  HeadBlocks start_attention(const HeadShape& shape) override {
    const c10::cuda::CUDAGuard on_gpu(gpu_);
    chunk_ = 0;
    shape_ = shape;
    heads_ = split(shape.heads, size());
    make_window();
    return blocks_ = HeadBlocks::make(rows_window().narrow(2, rows_of(rank()).begin, rows_of(rank()).size), shape.heads,
                                      rank(), size());
  }

  void send_chunk() override {
    const c10::cuda::CUDAGuard on_gpu(gpu_);
    const std::vector<Range> all = chunks(rows_of(rank()).size);
    const bool is_first = chunk_ == 0, is_last = chunk_ + 1 == all.size();
    const Range chunk = all.at(chunk_++);
    for_each_other([&](int other, const c10::cuda::CUDAStream& stream) {
      if (is_first) wait_and_clear(Flag::free, other, stream);
      const at::Tensor from = blocks_.of(other).narrow(2, chunk.begin, chunk.size);
      transfer(stream, [&] { copy_block(other, from, rows_of(rank()).begin + chunk.begin, stream); });
      if (is_last) set(Flag::sent, other, stream);
    });
  }

  at::Tensor receive_rows() override {
    const c10::cuda::CUDAGuard on_gpu(gpu_);
    wait_for_flags(Flag::sent);
    blocks_ = {};
    return rows_window();
  }

  void return_results(int to, std::int64_t first_row, const at::Tensor& results) override {
    const c10::cuda::CUDAGuard on_gpu(gpu_);
    if (to == rank()) return keep_results(first_row, results);
    const c10::cuda::CUDAStream stream = after_current(to);
    transfer(stream, [&] { copy_results(to, first_row, results, stream); });
    in_flight_.push_back(results);
    set(Flag::returned, to, stream);
  }

  at::Tensor collect_results() override {
    const c10::cuda::CUDAGuard on_gpu(gpu_);
    for_each_other([&](int other, const c10::cuda::CUDAStream& stream) { set(Flag::free, other, stream); });
    if (rows_of(rank()).size > 0)
      wait_for_flags(Flag::returned);
    else
      wait_for_own_transfers();
    in_flight_.clear();
    return results_window();
  }

  /// Records that this rank sets a flag of its own and waits for it, and replays that. Empty if it works.
  std::string why_not_recorded() const {
    try {
      DeviceGraph graph(gpu_, [&] {
        const c10::cuda::CUDAStream current = c10::cuda::getCurrentCUDAStream(gpu_.index());
        set(Flag::free, rank(), current);
        wait_and_clear(Flag::free, rank(), current);
      });
      graph.replay();
      return "";
    } catch (const std::exception& error) {
      return error.what();
    }
  }

  const Range& rows_of(int other) const { return shape_.rows[static_cast<std::size_t>(other)]; }
  std::int64_t heads_of(int other) const { return heads_[static_cast<std::size_t>(other)].size; }
  std::int64_t tokens() const { return shape_.rows.back().end(); }

  // ---- Flags: one of each kind for each rank

  std::size_t place(Flag flag, int from) const {
    return sizeof(std::uint32_t) * static_cast<std::size_t>(static_cast<int>(flag) * size() + from);
  }
  /// Sets this rank's flag on another rank.
  void set(Flag flag, int other, const c10::cuda::CUDAStream& stream) const {
    flags_.write(stream, flag_memory_.of(other) + place(flag, rank()), is_set);
  }
  /// Makes `stream` wait until another rank has set its flag on this one.
  void wait_and_clear(Flag flag, int other, const c10::cuda::CUDAStream& stream) const {
    const std::byte* const own = flag_memory_.of(rank()) + place(flag, other);
    flags_.wait(stream, own, is_set);
    flags_.write(stream, own, is_clear);
  }

  /// Makes the current stream wait for this rank's transfers, and then for the flags of all other ranks.
  void wait_for_flags(Flag flag) {
    wait_for_own_transfers();
    const c10::cuda::CUDAStream current = c10::cuda::getCurrentCUDAStream(gpu_.index());
    for (int other = 0; other < size(); ++other)
      if (other != rank()) wait_and_clear(flag, other, current);
  }

  /// Makes the current stream wait for this rank's transfers, so what they read may be overwritten then.
  void wait_for_own_transfers() {
    for (int other = 0; other < size(); ++other) {
      if (other == rank()) continue;
      at::cuda::CUDAEvent done;
      done.record(streams_[static_cast<std::size_t>(other)]);
      done.block(c10::cuda::getCurrentCUDAStream(gpu_.index()));
    }
  }

  // ---- Windows

  std::int64_t rows_numel(int other) const { return 3 * shape_.batch * tokens() * heads_of(other) * shape_.head_dim; }
  std::int64_t results_numel(int other) const {
    return shape_.batch * rows_of(other).size * shape_.heads * shape_.head_dim;
  }
  std::int64_t results_at(int other) const { return aligned(rows_numel(other) * item_bytes()); }
  std::int64_t item_bytes() const { return static_cast<std::int64_t>(shape_.options.dtype().itemsize()); }

  /// Makes this rank's window large enough for the call. Growing is collective; all ranks compute the same size, so all
  /// of them grow in the same call.
  void make_window() {
    std::int64_t needed = 0;
    for (int other = 0; other < size(); ++other)
      needed = std::max(needed, results_at(other) + aligned(results_numel(other) * item_bytes()));
    if (window_ && window_->bytes() >= needed) return;
    WF_CHECK(!is_recording(gpu_));
    window_.reset();
    window_ = std::make_unique<PeerMemory>(*host_, gpu_, needed);
  }

  /// The rows in this rank's window: [3, batch, tokens, own heads, head_dim].
  at::Tensor rows_window() const {
    return at::from_blob(window_->of(rank()), {3, shape_.batch, tokens(), heads_of(rank()), shape_.head_dim},
                         shape_.options);
  }
  /// The results in this rank's window: [batch, own rows, heads, head_dim].
  at::Tensor results_window() const {
    return at::from_blob(window_->of(rank()) + results_at(rank()),
                         {shape_.batch, rows_of(rank()).size, shape_.heads, shape_.head_dim}, shape_.options);
  }

  // ---- Transfers, on a stream for each other rank

  /// The stream of another rank, made to wait for what the current stream has queued.
  c10::cuda::CUDAStream after_current(int other) {
    const c10::cuda::CUDAStream& stream = streams_[static_cast<std::size_t>(other)];
    at::cuda::CUDAEvent ready;
    ready.record(c10::cuda::getCurrentCUDAStream(gpu_.index()));
    ready.block(stream);
    return stream;
  }

  /// Calls use(other, its stream) for each other rank, beginning with the one after this, so that not all ranks write
  /// to the same one at once.
  template <class Use>
  void for_each_other(const Use& use) {
    for (int step = 1; step < size(); ++step) {
      const int other = (rank() + step) % size();
      const c10::cuda::CUDAStream stream = after_current(other);
      use(other, stream);
    }
  }

  /// Queues a copy on `stream`, as a span of the trace.
  template <class Copy>
  void transfer(const c10::cuda::CUDAStream& stream, const Copy& copy) {
    const c10::cuda::CUDAStreamGuard on_stream(stream);
    const DeviceSpan span(gpu_, "GPU transfers", "communication", "heads");
    copy();
  }

  /// Copies [3, batch, rows, heads of `other`, head_dim], with dense rows, into the window of `other`, from its row
  /// `first_row` on.
  void copy_block(int other, const at::Tensor& from, std::int64_t first_row, const c10::cuda::CUDAStream& stream) {
    const std::int64_t row = from.size(3) * from.size(4);
    const std::size_t bytes = bytes_of(from.size(2) * row, from);
    if (bytes == 0) return;
    std::byte* const window = window_->of(other);
    for (std::int64_t plane = 0; plane < 3 * shape_.batch; ++plane)
      C10_CUDA_CHECK(cudaMemcpyAsync(window + bytes_of((plane * tokens() + first_row) * row, from),
                                     data_of(from) + bytes_of(plane * from.stride(1), from), bytes, cudaMemcpyDefault,
                                     stream));
  }

  /// Copies results [batch, rows, own heads, head_dim] into the window of `other`, from its row `first_row` on.
  void copy_results(int other, std::int64_t first_row, const at::Tensor& results, const c10::cuda::CUDAStream& stream) {
    if (results.numel() == 0) return;
    const std::size_t width = bytes_of(results.size(2) * results.size(3), results);
    const std::size_t pitch = bytes_of(shape_.heads * shape_.head_dim, results);
    std::byte* const own_heads = window_->of(other) + results_at(other) +
                                 bytes_of(heads_[static_cast<std::size_t>(rank())].begin * shape_.head_dim, results);
    for (std::int64_t sample = 0; sample < shape_.batch; ++sample) {
      std::byte* const to = own_heads + pitch * static_cast<std::size_t>(sample * rows_of(other).size + first_row);
      const std::byte* const from = data_of(results) + bytes_of(sample * results.stride(0), results);
      C10_CUDA_CHECK(cudaMemcpy2DAsync(to, pitch, from, width, width, static_cast<std::size_t>(results.size(1)),
                                       cudaMemcpyDefault, stream));
    }
  }

  /// Copies this rank's own results with a kernel: within one GPU the copy engines would take several times as long.
  void keep_results(std::int64_t first_row, const at::Tensor& results) {
    const Range& heads = heads_[static_cast<std::size_t>(rank())];
    copy_heads(results_window().narrow(1, first_row, results.size(1)).narrow(2, heads.begin, heads.size), results);
  }

  std::unique_ptr<Communicator> host_;
  at::Device gpu_;
  PeerMemory flag_memory_;
  StreamFlags flags_;
  std::vector<c10::cuda::CUDAStream> streams_;  ///< by rank
  std::unique_ptr<PeerMemory> window_;
  HeadShape shape_;
  std::vector<Range> heads_;  ///< each rank's heads
  HeadBlocks blocks_;
  std::vector<at::Tensor> in_flight_;  ///< results that other ranks may not have yet
  std::size_t chunk_ = 0;
  bool can_be_recorded_ = false;
};

/// Why this rank cannot take part, as far as it can tell alone; empty: it can.
std::string own_problem() {
  if (!peer_copies_allowed()) return "WANFARM_PEER_COPIES is 0";
  try {
    const StreamFlags supported;
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

/// Whether all ranks run on one machine, in whatever containers. Host names would not tell: containers of different
/// machines may share them. Whether the GPUs reach each other is found out by PeerMemory.
bool on_one_machine(Communicator& host) {
  const std::vector<std::string> kernels = all_gather_texts(host, boot_id());
  return std::ranges::count(kernels, kernels.front()) == std::ssize(kernels);
}

}  // namespace

std::unique_ptr<HeadExchange> peer_exchange(std::unique_ptr<Communicator> host, at::Device gpu) {
  const auto no = [](const std::string& why) -> std::unique_ptr<HeadExchange> {
    spdlog::debug("heads are exchanged by NCCL: {}", why);
    return nullptr;
  };
  const std::string problem = first_problem(all_gather_texts(*host, own_problem()));
  if (!problem.empty()) return no(problem);
  if (!on_one_machine(*host)) return no("their ranks are on several nodes");
  try {
    Communicator& ranks = *host;
    auto exchange = std::make_unique<PeerExchange>(std::move(host), gpu);
    const std::vector<std::string> answers = all_gather_texts(ranks, exchange->works() ? "" : "no");
    if (std::ranges::count(answers, "") != std::ssize(answers)) return no("flags do not arrive from GPU to GPU");
    exchange->try_recording();
    return exchange;
  } catch (const Error& error) {
    if (error.kind() != Error::environment) throw;
    return no(error.what());
  }
}

}  // namespace wf
