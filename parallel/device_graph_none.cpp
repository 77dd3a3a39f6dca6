// parallel/device_graph_none.cpp: device_graph.hpp in a build without CUDA.
#include "base/check.hpp"
#include "parallel/device_graph.hpp"

namespace wf {

DeviceGraph::DeviceGraph(at::Device gpu, const std::function<void()>&) : gpu_(gpu) { WF_CHECK(can_record(gpu)); }
DeviceGraph::~DeviceGraph() = default;
void DeviceGraph::replay() {}
bool can_record(at::Device) { return false; }
bool is_recording(at::Device) { return false; }

}  // namespace wf
