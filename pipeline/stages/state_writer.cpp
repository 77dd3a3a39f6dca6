#include "pipeline/stages/state_writer.hpp"

#include <ATen/ATen.h>

#include <utility>

#include "base/error.hpp"
#include "base/fault.hpp"
#include "base/log.hpp"
#include "base/trace.hpp"
#include "parallel/host_copy.hpp"

namespace wf {
namespace {

at::Tensor on_host(const at::Tensor& tensor) {
  if (!tensor.defined() || tensor.is_cpu()) return tensor;
  at::Tensor copy = at::empty(tensor.sizes(), tensor.options().device(at::kCPU));
  copy_to_host(tensor, copy.data_ptr());
  return copy;
}

Denoising on_host(const Denoising& state) {
  const SolverState& solver = state.solver;
  return {
      on_host(state.x), {on_host(solver.corrected), on_host(solver.m1), on_host(solver.m2), solver.order}, state.step};
}

}  // namespace

bool StorePolicy::due(std::int64_t step, double now) {
  if (step_ == none) stored(step, now);
  return at_risk(step, now, interval_);
}

bool StateWriter::offer(StateToStore state) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_ && waiting_->file != state.file) return false;
    waiting_ = std::move(state);
    if (std::exchange(is_queued_, true)) return true;
  }
  background_.put([this] { write_waiting(); });
  return true;
}

void StateWriter::write_waiting() {
  std::unique_lock lock(mutex_);
  is_queued_ = false;
  const StateToStore state = *std::exchange(waiting_, {});
  writing_ = state.file;
  lock.unlock();
  write(state);
  lock.lock();
  writing_.reset();
  changed_.notify_all();
}

void StateWriter::write_now(const StateToStore& state) {
  wait_for(state.file);
  write(state);
}

void StateWriter::wait_for(const Path& file) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return writing_ != file && !(waiting_ && waiting_->file == file); });
}

/// A state that holds NaN or infinity, as after a fault of the hardware, is not stored: each later attempt would only
/// continue from it.
void StateWriter::write(const StateToStore& state) {
  try {
    const trace::Span span("communication", "checkpoint", {{"clip", state.clip}});
    fault_point("checkpoint");
    const SideStream side_stream(device_);
    const StoredState stored{on_host(state.stored.state), state.stored.text};
    if (!at::isfinite(stored.state.x).all().item<bool>()) return warn_once(state.clip, "it holds NaN or infinity");
    store_state(state.file, stored, state.fingerprint);
    spdlog::debug("{}: its state after {} steps is stored", state.clip, stored.state.step);
  } catch (const std::exception&) {
    warn_once(state.clip, current_error().what());
  }
}

void StateWriter::warn_once(const std::string& clip, const std::string& why) {
  {
    const std::lock_guard lock(mutex_);
    if (!warned_.insert(clip).second) return;
  }
  spdlog::warn("{}: its state could not be stored, so a kill would cost all of its steps: {}", clip, why);
}

}  // namespace wf
