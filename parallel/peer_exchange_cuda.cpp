// parallel/peer_exchange_cuda.cpp: heads exchanged by copies between GPUs. A rank's window in GPU memory holds the rows
// that it attends to and the results for its own rows; the other ranks copy into it. Each rank keeps three flags for
// each other rank, written by that rank:
//   sent      the last chunk of its rows that it has copied into this rank's window: 3 * call + 1, 2 or 3
//   finished  the last call for which it no longer needs the rows in its own window, so those of the next may come
//   returned  the last call whose results it has copied into this rank's window
// Results may be copied without waiting for a flag: a rank that returns results has received rows of the same call, and
// those were sent after the previous call's results had been used.
//
// Why this cannot deadlock. A wait for a flag blocks its stream, and streams may share a first-in-first-out hardware
// queue, so it may also hold up everything that its rank queues later, on whatever stream. The invariant is therefore
// about the order in which the host queues work: on each rank, every write of a flag is queued before anything that
// waits for another rank's answer to it. In each call, all ranks queue the same steps: (1) wait for the previous call's
// `finished`, copy rows, write `sent`; (2) wait for `sent`; (3) copy results, write `returned`; (4) write `finished`;
// (5) wait for `returned`. So the write that a wait depends on is queued behind waits of earlier steps only. The
// earliest wait depends on nothing that can be blocked, so it ends, and by induction all waits end. Must not be
// reordered: every chunk is sent to every rank before receive(), results are given back to every other rank before
// collect(), and collect() writes `finished` before it waits for `returned`.
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

#include "base/error.hpp"
#include "base/machine.hpp"
#include "parallel/device_span.hpp"
#include "parallel/peer_exchange.hpp"
#include "parallel/peer_memory.hpp"

namespace wf {
namespace {

enum class Flag { sent, finished, returned };
constexpr int flags_per_rank = 3;
constexpr std::uint32_t chunks_per_call = 3;  ///< size of HeadExchange::chunks()
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

  /// Whether flags arrive: every rank writes one to each other rank and waits for theirs. Marks call 1 as finished,
  /// which the first attention, call 2, waits for.
  bool works() {
    const c10::cuda::CUDAGuard on_gpu(gpu_);
    for_each_other([&](int other, const c10::cuda::CUDAStream& stream) {
      flags_.write(stream, flag_at(other, Flag::finished), call_);
    });
    const auto has_all = [&] {
      const at::Tensor seen = flag_memory_.own().view(at::kInt).cpu().view({flags_per_rank, size()});
      return seen[static_cast<int>(Flag::finished)].eq(static_cast<std::int64_t>(call_)).sum().item<std::int64_t>() ==
             size() - 1;
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
    ++call_;
    chunk_ = 0;
    shape_ = shape;
    heads_ = split(shape.heads, size());
    make_window();
    return blocks_ = HeadBlocks::make(rows_window().narrow(2, rows_of(rank()).begin, rows_of(rank()).size), shape.heads,
                                      rank(), size());
  }

  void send_chunk() override {
    const c10::cuda::CUDAGuard on_gpu(gpu_);
    const Range chunk = chunks(rows_of(rank()).size).at(chunk_++);
    for_each_other([&](int other, const c10::cuda::CUDAStream& stream) {
      if (chunk_ == 1) flags_.wait(stream, own_flag(Flag::finished, other), call_ - 1);
      const at::Tensor from = blocks_.of(other).narrow(2, chunk.begin, chunk.size);
      transfer(stream, [&] { copy_block(other, from, rows_of(rank()).begin + chunk.begin, stream); });
      blocks_.others.record_stream(stream);
      flags_.write(stream, flag_at(other, Flag::sent), call_ * chunks_per_call + chunk_);
    });
  }

  at::Tensor receive_rows() override {
    const c10::cuda::CUDAGuard on_gpu(gpu_);
    wait_for_others(Flag::sent, call_ * chunks_per_call + chunks_per_call);
    blocks_ = {};
    return rows_window();
  }

  void return_results(int to, std::int64_t first_row, const at::Tensor& results) override {
    const c10::cuda::CUDAGuard on_gpu(gpu_);
    if (to == rank()) return keep_results(first_row, results);
    const c10::cuda::CUDAStream stream = after_current(to);
    transfer(stream, [&] { copy_results(to, first_row, results, stream); });
    results.record_stream(stream);
    flags_.write(stream, flag_at(to, Flag::returned), call_);
  }

  at::Tensor collect_results() override {
    const c10::cuda::CUDAGuard on_gpu(gpu_);
    for_each_other([&](int other, const c10::cuda::CUDAStream& stream) {
      flags_.write(stream, flag_at(other, Flag::finished), call_);
    });
    if (rows_of(rank()).size > 0) wait_for_others(Flag::returned, call_);
    return results_window();
  }

  const Range& rows_of(int other) const { return shape_.rows[static_cast<std::size_t>(other)]; }
  std::int64_t heads_of(int other) const { return heads_[static_cast<std::size_t>(other)].size; }
  std::int64_t tokens() const { return shape_.rows.back().end(); }

  // ---- Flags: one of each kind for each rank

  std::size_t place(Flag flag, int from) const {
    return sizeof(std::uint32_t) * static_cast<std::size_t>(static_cast<int>(flag) * size() + from);
  }
  const std::byte* own_flag(Flag flag, int from) const { return flag_memory_.of(rank()) + place(flag, from); }
  const std::byte* flag_at(int other, Flag flag) const { return flag_memory_.of(other) + place(flag, rank()); }

  void wait_for_others(Flag flag, std::uint32_t value) {
    const c10::cuda::CUDAStream current = c10::cuda::getCurrentCUDAStream(gpu_.index());
    for (int other = 0; other < size(); ++other)
      if (other != rank()) flags_.wait(current, own_flag(flag, other), value);
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
  std::uint32_t call_ = 1, chunk_ = 0;
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
    if (std::ranges::count(answers, "") == std::ssize(answers)) return exchange;
    return no("flags do not arrive from GPU to GPU");
  } catch (const Error& error) {
    if (error.kind() != Error::environment) throw;
    return no(error.what());
  }
}

}  // namespace wf
