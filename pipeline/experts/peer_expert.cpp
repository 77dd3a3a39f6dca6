#include "pipeline/experts/peer_expert.hpp"

#include <ATen/ATen.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/stopwatch.h>

#include <chrono>
#include <vector>

#include "base/log.hpp"
#include "base/text.hpp"
#include "base/trace.hpp"
#include "parallel/device.hpp"
#include "parallel/peer_tensors.hpp"
#include "pipeline/experts/converted_expert.hpp"

namespace wf {
namespace {

DitWeights copy_expert(const Bytes& handles, const DitWeights& like, at::Device own) {
  const std::vector<at::Tensor> copies = copy_shared(handles, tensors_of(like), own);
  DitWeights expert = like;
  for_each_tensor(expert, [next = copies.begin()](at::Tensor& tensor) mutable { tensor = *next++; });
  return expert;
}

void log_speed(const std::string& name, const std::string& from, const DitWeights& expert, double seconds) {
  const std::uint64_t bytes = bytes_of(expert);
  spdlog::info("{}: {} from the GPU of {} in {:.2f} s ({:.0f} GB/s)", name, gigabytes(bytes), from, seconds,
               static_cast<double>(bytes) / 1e9 / seconds);
}

}  // namespace

Bytes share_expert(const DitWeights& expert) { return share_tensors(tensors_of(expert)); }

std::optional<DitWeights> copy_peer_expert(const WeightPeer& peer, const DitWeights& like, at::Device own,
                                           const std::string& name) {
  const std::string from = fmt::format("rank {}", peer.rank);
  try {
    const WeightLease leased = peer.request();
    if (leased.handles.empty()) {
      spdlog::debug("{}: {} leases none", name, from);
      return std::nullopt;
    }
    const trace::Span span("load", name, {{"from", from}});
    const spdlog::stopwatch watch;
    DitWeights expert = copy_expert(leased.handles, like, own);
    log_speed(name, from, expert, std::chrono::duration<double>(watch.elapsed()).count());
    return expert;
  } catch (const std::exception& error) {
    spdlog::debug("{}: no copy from {}: {}", name, from, error.what());
    return std::nullopt;
  }
}

}  // namespace wf
