// parallel/peer_exchange_cuda.cpp: a rank's window holds the rows that it attends to and the results for its own rows;
// others copy into it. Three words for each other rank say how far that rank is:
//   sent      portions of its rows are in this window
//   finished  it does not read its window any more, so that rows of the next call may be copied there
//   returned  its results are in this window
// Results need no word before they are written: whoever returns them has had rows of that call, which were sent when
// the last call's results had been used.
#include <ATen/ATen.h>
#include <ATen/cuda/CUDAContextLight.h>
#include <ATen/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>
#include <utility>

#include "cluster/error.hpp"
#include "parallel/device_span.hpp"
#include "parallel/peer_exchange.hpp"
#include "parallel/peer_memory.hpp"

namespace wf {
namespace {

enum class Word { sent, finished, returned };
constexpr int words_of_a_rank = 3;
constexpr std::uint32_t portions_of_a_call = 3;
constexpr auto answers_within = std::chrono::seconds(10);

std::byte* data_of(const at::Tensor& tensor) { return static_cast<std::byte*>(tensor.data_ptr()); }

std::size_t bytes_of(std::int64_t elements, const at::Tensor& like) {
  return static_cast<std::size_t>(elements) * like.itemsize();
}

/// Where results begin in a window, behind the rows.
std::int64_t aligned(std::int64_t bytes) { return (bytes + 255) / 256 * 256; }

class PeerExchange final : public HeadExchange {
 public:
  PeerExchange(std::unique_ptr<Communicator> host, at::Device gpu)
      : host_(std::move(host)), gpu_(gpu), words_(*host_, gpu, std::int64_t{4} * words_of_a_rank * host_->size()) {
    for (int other = 0; other < size(); ++other)
      streams_.push_back(c10::cuda::getStreamFromPool(/*isHighPriority=*/true, gpu.index()));
    words_.own().zero_();
    c10::cuda::getCurrentCUDAStream(gpu.index()).synchronize();
    host_->barrier();
  }

  int rank() const override { return host_->rank(); }
  int size() const override { return host_->size(); }
  int processors() const override { return at::cuda::getDeviceProperties(gpu_.index())->multiProcessorCount; }

  HeadBlocks begin(const HeadShape& shape) override {
    const c10::cuda::CUDAGuard on_gpu(gpu_);
    ++call_;
    portion_ = 0;
    shape_ = shape;
    heads_ = split(shape.heads, size());
    make_window();
    return room_ = HeadBlocks::make(rows_window().narrow(2, rows_of(rank()).begin, rows_of(rank()).size), shape.heads,
                                    rank(), size());
  }

  void send() override {
    const c10::cuda::CUDAGuard on_gpu(gpu_);
    const Range part = portions(rows_of(rank()).size).at(portion_++);
    for_each_other([&](int other, const c10::cuda::CUDAStream& stream) {
      if (portion_ == 1) stream_words_.wait(stream, own_word(Word::finished, other), call_ - 1);
      const at::Tensor from = room_.of(other).narrow(2, part.begin, part.size);
      transfer(stream, [&] { copy_block(other, from, rows_of(rank()).begin + part.begin, stream); });
      room_.others.record_stream(stream);
      stream_words_.write(stream, word_at(other, Word::sent), call_ * portions_of_a_call + portion_);
    });
  }

  at::Tensor receive() override {
    const c10::cuda::CUDAGuard on_gpu(gpu_);
    wait_for_others(Word::sent, call_ * portions_of_a_call + portions_of_a_call);
    room_ = {};
    return rows_window();
  }

  void give_back(int to, std::int64_t first_row, const at::Tensor& results) override {
    const c10::cuda::CUDAGuard on_gpu(gpu_);
    if (to == rank()) return keep_results(first_row, results);
    const c10::cuda::CUDAStream stream = after_current(to);
    transfer(stream, [&] { copy_results(to, first_row, results, stream); });
    results.record_stream(stream);
    stream_words_.write(stream, word_at(to, Word::returned), call_);
  }

  at::Tensor collect() override {
    const c10::cuda::CUDAGuard on_gpu(gpu_);
    for_each_other([&](int other, const c10::cuda::CUDAStream& stream) {
      stream_words_.write(stream, word_at(other, Word::finished), call_);
    });
    if (rows_of(rank()).size > 0) wait_for_others(Word::returned, call_);
    return results_window();
  }

  /// Whether words come through: every rank writes one to all others, and looks for theirs.
  bool works() {
    const c10::cuda::CUDAGuard on_gpu(gpu_);
    for_each_other([&](int other, const c10::cuda::CUDAStream& stream) {
      stream_words_.write(stream, word_at(other, Word::finished), call_);
    });
    const auto has_all = [&] {
      const at::Tensor seen = words_.own().view(at::kInt).cpu().view({words_of_a_rank, size()});
      return seen[static_cast<int>(Word::finished)].eq(static_cast<std::int64_t>(call_)).sum().item<std::int64_t>() ==
             size() - 1;
    };
    const auto end = std::chrono::steady_clock::now() + answers_within;
    bool all = has_all();
    while (!all && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      all = has_all();
    }
    return all;
  }

 private:
  const Range& rows_of(int other) const { return shape_.rows[static_cast<std::size_t>(other)]; }
  std::int64_t heads_of(int other) const { return heads_[static_cast<std::size_t>(other)].size; }
  std::int64_t tokens() const { return shape_.rows.back().end(); }

  // ---- Words: of each kind one for each rank.

  std::size_t place(Word word, int from) const {
    return sizeof(std::uint32_t) * static_cast<std::size_t>(static_cast<int>(word) * size() + from);
  }
  const std::byte* own_word(Word word, int from) const { return words_.of(rank()) + place(word, from); }
  const std::byte* word_at(int other, Word word) const { return words_.of(other) + place(word, rank()); }

  void wait_for_others(Word word, std::uint32_t value) {
    const c10::cuda::CUDAStream current = c10::cuda::getCurrentCUDAStream(gpu_.index());
    for (int other = 0; other < size(); ++other)
      if (other != rank()) stream_words_.wait(current, own_word(word, other), value);
  }

  // ---- Windows

  std::int64_t rows_numel(int other) const { return 3 * shape_.batch * tokens() * heads_of(other) * shape_.head_dim; }
  std::int64_t results_numel(int other) const {
    return shape_.batch * rows_of(other).size * shape_.heads * shape_.head_dim;
  }
  std::int64_t results_at(int other) const { return aligned(rows_numel(other) * item_bytes()); }
  std::int64_t item_bytes() const { return static_cast<std::int64_t>(shape_.options.dtype().itemsize()); }

  /// Collective when it has to grow, which all ranks see alike.
  void make_window() {
    std::int64_t needed = 0;
    for (int other = 0; other < size(); ++other)
      needed = std::max(needed, results_at(other) + aligned(results_numel(other) * item_bytes()));
    if (window_ && window_->bytes() >= needed) return;
    window_.reset();
    window_ = std::make_unique<PeerMemory>(*host_, gpu_, needed);
  }

  /// This rank's: [3, batch, tokens, own heads, head_dim].
  at::Tensor rows_window() const {
    return at::from_blob(window_->of(rank()), {3, shape_.batch, tokens(), heads_of(rank()), shape_.head_dim},
                         shape_.options);
  }
  /// This rank's: [batch, own rows, heads, head_dim].
  at::Tensor results_window() const {
    return at::from_blob(window_->of(rank()) + results_at(rank()),
                         {shape_.batch, rows_of(rank()).size, shape_.heads, shape_.head_dim}, shape_.options);
  }

  // ---- Transfers, on a stream for each other rank

  c10::cuda::CUDAStream after_current(int other) {
    const c10::cuda::CUDAStream& stream = streams_[static_cast<std::size_t>(other)];
    at::cuda::CUDAEvent ready;
    ready.record(c10::cuda::getCurrentCUDAStream(gpu_.index()));
    ready.block(stream);
    return stream;
  }

  /// The next rank first, so that not all write to the same one.
  template <class Use>
  void for_each_other(const Use& use) {
    for (int step = 1; step < size(); ++step) {
      const int other = (rank() + step) % size();
      const c10::cuda::CUDAStream stream = after_current(other);
      use(other, stream);
    }
  }

  /// As a span of the trace.
  template <class Copy>
  void transfer(const c10::cuda::CUDAStream& stream, const Copy& copy) {
    const c10::cuda::CUDAStreamGuard on_stream(stream);
    const DeviceSpan span(gpu_, "GPU transfers", "communication", "heads");
    copy();
  }

  /// from [3, batch, rows, heads of that rank, head_dim], rows dense, to its window from `first_row` on.
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

  /// results [batch, rows, own heads, head_dim]: a part of that rank's rows of all heads, from `first_row` on.
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

  /// A kernel does it: the copy engines take several times as long within a GPU.
  void keep_results(std::int64_t first_row, const at::Tensor& results) {
    const Range& heads = heads_[static_cast<std::size_t>(rank())];
    copy_heads(results_window().narrow(1, first_row, results.size(1)).narrow(2, heads.begin, heads.size), results);
  }

  std::unique_ptr<Communicator> host_;
  at::Device gpu_;
  PeerMemory words_;
  StreamWords stream_words_;
  std::vector<c10::cuda::CUDAStream> streams_;  ///< by rank
  std::unique_ptr<PeerMemory> window_;
  HeadShape shape_;
  std::vector<Range> heads_;  ///< of each rank
  HeadBlocks room_;
  std::uint32_t call_ = 1, portion_ = 0;
};

/// Of the machine, whatever it is called: containers may share a name.
std::string machine() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

bool on_one_machine(Communicator& host) {
  const std::vector<std::string> machines = texts_of_all(host, machine());
  return std::ranges::count(machines, machines.front()) == std::ssize(machines);
}

}  // namespace

std::unique_ptr<HeadExchange> peer_exchange(std::unique_ptr<Communicator> host, at::Device gpu) {
  const auto no = [](const std::string& why) -> std::unique_ptr<HeadExchange> {
    spdlog::debug("heads are exchanged by NCCL: {}", why);
    return nullptr;
  };
  if (!peer_copies_allowed()) return no("WANFARM_PEER_COPIES is 0");
  if (!on_one_machine(*host)) return no("their ranks are on several machines");
  try {
    Communicator& ranks = *host;
    auto exchange = std::make_unique<PeerExchange>(std::move(host), gpu);
    const std::vector<std::string> answers = texts_of_all(ranks, exchange->works() ? "" : "no");
    if (std::ranges::count(answers, "") == std::ssize(answers)) return exchange;
    return no("words do not come through from GPU to GPU");
  } catch (const Error& error) {
    if (error.kind() != Error::environment) throw;
    return no(error.what());
  }
}

}  // namespace wf
