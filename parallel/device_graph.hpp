// parallel/device_graph.hpp: work of a GPU that is recorded once and replayed: one launch instead of hundreds.
#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <memory>

namespace wf {

struct RecordedWork;  ///< defined in device_graph_cuda.cpp

/// What a function queues on a GPU, recorded as a CUDA graph. Each replay() queues it again with the same arguments: it
/// reads and writes the memory that the recorded tensors had, which the caller keeps alive and fills before. Memory
/// that the function allocates stays with the graph; tensors that it hands out hold the results after each replay.
///
/// The function must have run once before, so that libraries and exchanges between ranks have set up what they need. It
/// must not wait for the GPU. What it queues for other ranks (head_exchange.hpp, NCCL) is recorded too, and matches
/// what they queue, recorded or not. For one thread at a time.
class DeviceGraph {
 public:
  /// Calls `work` and records what it queues, without executing it. Throws what `work` throws, and LibTorch's error
  /// when something cannot be recorded, or memory is short; the GPU is then as before.
  DeviceGraph(at::Device gpu, const std::function<void()>& work);
  /// Waits for the replays that are queued, and returns the memory to the GPU.
  ~DeviceGraph();
  DeviceGraph(const DeviceGraph&) = delete;
  DeviceGraph& operator=(const DeviceGraph&) = delete;

  /// Queues the work on the current stream.
  void replay();

 private:
  at::Device gpu_;
  std::shared_ptr<RecordedWork> recorded_;
};

/// Whether this build can record what a device does: it is a GPU.
bool can_record(at::Device device);

/// Whether what is queued on the device's current stream is being recorded.
bool is_recording(at::Device device);

}  // namespace wf
