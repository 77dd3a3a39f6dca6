#include "pipeline/experts/load_behind.hpp"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <chrono>
#include <exception>
#include <utility>

#include "base/error.hpp"
#include "base/fault.hpp"
#include "base/log.hpp"
#include "base/trace.hpp"
#include "base/watched_work.hpp"
#include "parallel/device.hpp"
#include "parallel/host_copy.hpp"

namespace wf {
namespace {

/// What is on the device is complete when this returns.
std::optional<DitWeights> loaded_beside(Expert which, at::Device device, const LoadBehind::Load& load,
                                        const std::stop_token& stop) {
  const WatchedWork watched("", which == Expert::high ? "load the high-noise expert" : "load the low-noise expert");
  const c10::InferenceMode no_autograd;
  const SideStream side_stream(device);
  fault_point("load");
  std::optional<DitWeights> loaded = load(stop);
  synchronize_stream(device);
  return loaded;
}

}  // namespace

LoadBehind::LoadBehind(Expert which, at::Device device, Load load)
    : which_(which), thread_([this, device, load = std::move(load)](const std::stop_token& stop) {
        trace::name_thread("loading");
        try {
          promise_.set_value(loaded_beside(which_, device, load, stop));
        } catch (...) {
          promise_.set_exception(std::current_exception());
        }
      }) {}

LoadBehind::~LoadBehind() = default;  // ~jthread requests a stop and joins

/// The thread marks its own progress; the caller's waiting is work that moves as long as that one is watched.
std::optional<DitWeights> LoadBehind::result() {
  const trace::Span waiting("wait", "expert");
  std::future<std::optional<DitWeights>> future = promise_.get_future();
  while (future.wait_for(std::chrono::milliseconds(100)) == std::future_status::timeout) mark_progress();
  try {
    return future.get();
  } catch (const std::exception&) {
    spdlog::warn("an expert was not loaded beside the other one's work: {}", current_error().what());
  } catch (const Stopped&) {
  }
  return std::nullopt;
}

}  // namespace wf
