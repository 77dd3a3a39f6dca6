#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGraphsC10Utils.h>
#include <c10/cuda/CUDAGuard.h>
#include <spdlog/spdlog.h>

#include <map>

#include "parallel/device.hpp"
#include "parallel/device_graph.hpp"

namespace wf {

struct RecordedWork {
  at::cuda::CUDAGraph graph;
};

namespace {

/// The stream of a GPU on which work is recorded. Libraries keep a workspace for every stream that they have seen, so
/// it is always the same one.
c10::cuda::CUDAStream recording_stream(at::Device gpu) {
  static std::map<c10::DeviceIndex, c10::cuda::CUDAStream> streams;
  return streams.try_emplace(gpu.index(), c10::cuda::getStreamFromPool(/*isHighPriority=*/false, gpu.index()))
      .first->second;
}

/// Ends a recording that cannot be used.
void give_up(at::cuda::CUDAGraph& graph) {
  try {
    graph.capture_end();
  } catch (const std::exception& error) {
    (void)cudaGetLastError();  // clears the error, whose cause is about to be thrown
    spdlog::debug("the end of a recording: {}", error.what());
  }
}

}  // namespace

DeviceGraph::DeviceGraph(at::Device gpu, const std::function<void()>& work)
    : gpu_(gpu), recorded_(std::make_shared<RecordedWork>()) {
  const c10::cuda::CUDAGuard on_gpu(gpu);
  // The allocator gives a graph memory of its own, and cannot release what it has cached while it does.
  release_cached_memory(gpu);
  const c10::cuda::CUDAStreamGuard on_stream(recording_stream(gpu));
  // Relaxed: other threads, and NCCL's, go on allocating memory and asking for events.
  recorded_->graph.capture_begin({0, 0}, cudaStreamCaptureModeRelaxed);
  try {
    work();
  } catch (...) {
    give_up(recorded_->graph);
    throw;
  }
  recorded_->graph.capture_end();
}

DeviceGraph::~DeviceGraph() {
  try {
    synchronize(gpu_);
    recorded_.reset();
    release_cached_memory(gpu_);
  } catch (const std::exception& error) {
    spdlog::error("the end of a CUDA graph: {}", error.what());
  }
}

void DeviceGraph::replay() {
  const c10::cuda::CUDAGuard on_gpu(gpu_);
  recorded_->graph.replay();
}

bool can_record(at::Device device) { return device.is_cuda(); }

bool is_recording(at::Device device) {
  if (!device.is_cuda()) return false;
  const c10::cuda::CUDAGuard on_gpu(device);
  return c10::cuda::currentStreamCaptureStatusMayInitCtx() != c10::cuda::CaptureStatus::None;
}

}  // namespace wf
