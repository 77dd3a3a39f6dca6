#include "launcher/bench/profile.hpp"

#include <ATen/ATen.h>
#include <ATen/record_function.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <optional>

#include "launcher/bench/op_cost.hpp"
#include "parallel/device.hpp"

namespace wf {
namespace {

/// A point in the work of a device's current stream; on a CPU, a reading of the clock.
class Timestamp {
 public:
  explicit Timestamp(at::Device device) {
    if (device.is_cpu()) return;
    event_.emplace(device.type(), c10::EventFlag::BACKEND_DEFAULT);
    event_->record(c10::impl::VirtualGuardImpl(device.type()).getStream(device));
  }
  /// Seconds from this timestamp to a later one. The device must have passed both.
  double until(const Timestamp& later) const {
    if (event_) return event_->elapsedTime(*later.event_) / 1000.0;
    return std::chrono::duration<double>(later.time_ - time_).count();
  }

 private:
  std::optional<c10::Event> event_;
  std::chrono::steady_clock::time_point time_ = std::chrono::steady_clock::now();
};

struct Call {
  std::string name;
  std::vector<TensorShape> inputs;
  Timestamp begin;
  std::optional<Timestamp> end = {};
  OpCost cost = {};
};

struct Recorder {
  at::Device device;
  int depth = 0;  ///< How many operations deep the current one is.
  std::deque<Call> calls = {};
};

/// The recorder of this thread, for callbacks, which are plain functions. LibTorch also calls them on threads of its
/// own, which have no recorder.
thread_local Recorder* recorder = nullptr;

struct CallContext : at::ObserverContext {
  explicit CallContext(Call& of) : call(of) {}
  Call& call;
};

void collect(const c10::IValue& value, std::vector<TensorShape>& shapes) {
  const auto add = [&](const at::Tensor& tensor) {
    if (!tensor.defined()) return;
    shapes.push_back({tensor.sizes().vec(), static_cast<std::int64_t>(tensor.element_size()),
                      tensor.has_storage() ? tensor.storage().unsafeGetStorageImpl() : nullptr});
  };
  if (value.isTensor()) return add(value.toTensor());
  if (!value.isTensorList()) return;
  for (const at::Tensor& tensor : value.toTensorVector()) add(tensor);
}

std::unique_ptr<at::ObserverContext> begin_op(const at::RecordFunction& function) {
  if (!recorder || recorder->depth++ > 0) return nullptr;
  std::vector<TensorShape> inputs;
  for (const c10::IValue& value : function.inputs()) collect(value, inputs);
  return std::make_unique<CallContext>(
      recorder->calls.emplace_back(Call{function.name(), std::move(inputs), Timestamp(recorder->device)}));
}

void end_op(const at::RecordFunction& function, at::ObserverContext* context) {
  if (recorder) --recorder->depth;
  if (!context) return;
  Call& call = static_cast<CallContext*>(context)->call;
  call.end.emplace(recorder->device);
  std::vector<TensorShape> outputs;
  for (const c10::IValue& value : function.outputs()) collect(value, outputs);
  call.cost = op_cost(call.name, call.inputs, outputs);
}

/// Records the operations of this thread during its lifetime.
class Observation {
 public:
  explicit Observation(Recorder& into) {
    recorder = &into;
    handle_ = at::addThreadLocalCallback(at::RecordFunctionCallback(begin_op, end_op)
                                             .needsInputs(true)
                                             .needsOutputs(true)
                                             .scopes({at::RecordScope::FUNCTION}));
  }
  ~Observation() {
    at::removeCallback(handle_);
    recorder = nullptr;
  }
  Observation(const Observation&) = delete;
  Observation& operator=(const Observation&) = delete;

 private:
  at::CallbackHandle handle_;
};

std::vector<OpTime> summed(const std::deque<Call>& calls) {
  std::map<std::pair<std::string, std::string>, OpTime> by_kind;
  for (const Call& call : calls) {
    const std::string name = call.name.starts_with("aten::") ? call.name.substr(6) : call.name;
    OpTime& sum = by_kind[{name, call.cost.shape}];
    sum.name = name;
    sum.shape = call.cost.shape;
    ++sum.calls;
    sum.seconds += call.begin.until(*call.end);
    sum.flops += call.cost.flops;
    sum.bytes += call.cost.bytes;
  }
  std::vector<OpTime> ops;
  for (const auto& [kind, sum] : by_kind) ops.push_back(sum);
  std::stable_sort(ops.begin(), ops.end(), [](const OpTime& a, const OpTime& b) { return a.seconds > b.seconds; });
  return ops;
}

}  // namespace

Profile profile(at::Device device, const std::function<void()>& work) {
  Recorder recorded{device};
  synchronize(device);
  const Timestamp begin(device);
  {
    const Observation observation(recorded);
    work();
  }
  const Timestamp end(device);
  synchronize(device);
  return {begin.until(end), summed(recorded.calls)};
}

}  // namespace wf
