// tests/gpu/device_graph_gpu_test.cpp: work that is recorded and replayed on a GPU: what it computes, what memory it
// takes, and what happens when it cannot be recorded.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include "base/error.hpp"
#include "parallel/device.hpp"
#include "parallel/device_graph.hpp"
#include "parallel/device_span.hpp"
#include "pipeline/stages/velocity.hpp"
#include "tests/pipeline/model/tiny_dit.hpp"

namespace wf {
namespace {

TEST(DeviceGraph, AReplayComputesFromWhatIsInItsTensorsThen) {
  const c10::InferenceMode guard;
  const at::Tensor x = at::zeros({1000}, test::device());
  at::Tensor y;
  const auto work = [&] { y = x * 2 + 1; };
  work();
  DeviceGraph graph(test::device(), work);
  for (const double value : {3.0, 5.0}) {
    x.fill_(value);
    graph.replay();
    EXPECT_TRUE(at::equal(y, at::full_like(x, 2 * value + 1))) << value;
  }
}

TEST(DeviceGraph, RecordingDoesNotExecute) {
  const c10::InferenceMode guard;
  const at::Tensor x = at::zeros({1000}, test::device());
  const DeviceGraph graph(test::device(), [&] { x.add_(1); });
  EXPECT_EQ(x.sum().item<double>(), 0);
}

TEST(DeviceGraph, TheGpuGoesOnAfterWorkThatCannotBeRecorded) {
  const c10::InferenceMode guard;
  const at::Tensor x = at::ones({1000}, test::device());
  const auto waits = [&] { EXPECT_EQ(x.sum().item<double>(), 1000); };
  EXPECT_THROW(DeviceGraph(test::device(), waits), c10::Error);
  EXPECT_FALSE(is_recording(test::device()));
  EXPECT_EQ(x.sum().item<double>(), 1000);
  at::Tensor y;
  DeviceGraph graph(test::device(), [&] { y = x + 1; });
  graph.replay();
  EXPECT_EQ(y.sum().item<double>(), 2000);
}

TEST(DeviceGraph, ItsMemoryIsFreeAfterIt) {
  const c10::InferenceMode guard;
  const at::Tensor x = at::ones({1 << 24}, test::device());
  const auto work = [&] { (x * 2 + x).add_(1); };
  work();
  { const DeviceGraph first(test::device(), work); }  // the recording stream has its workspaces now
  release_cached_memory(test::device());
  const std::uint64_t before = device_memory(test::device()).held;
  {
    const DeviceGraph graph(test::device(), work);
    EXPECT_GT(device_memory(test::device()).held, before);
  }
  EXPECT_EQ(device_memory(test::device()).held, before);
}

TEST(DeviceGraph, SpansOfRecordedWorkAreLeftOut) {
  const c10::InferenceMode guard;
  const at::Tensor x = at::ones({1000}, test::device());
  const DeviceSpanSums sums;
  const auto work = [&] {
    const DeviceSpan span(test::device(), "GPU", "test", "work");
    x.add_(1);
  };
  work();
  DeviceGraph graph(test::device(), work);
  graph.replay();
  EXPECT_EQ(sums.by_category().at("test").spans, 1);
}

TEST(RecordsForwards, AutomaticallyOfFewRowsOnAGpuAlone) {
  Execution execution;
  execution.device = test::device();
  EXPECT_TRUE(records_forwards(execution, 10'000, 1));
  EXPECT_FALSE(records_forwards(execution, 10'001, 1));
  EXPECT_FALSE(records_forwards(execution, 100, 2));
  execution.cuda_graphs = CudaGraphs::on;
  EXPECT_TRUE(records_forwards(execution, 100'000, 2));
  execution.cuda_graphs = CudaGraphs::off;
  EXPECT_FALSE(records_forwards(execution, 100, 1));
}

// ---- Forwards

/// The velocity field of the golden checkpoint's high-noise expert, and samples for it.
class Fields : public testing::TestWithParam<Precision> {
 protected:
  Fields() : weights_(tiny_dit("high", GetParam())) {
    const Golden golden("dit.safetensors"), texts("text.safetensors");
    x_ = golden.input("x");
    execution_.device = test::device();
    execution_.precision = GetParam();
    execution_.attention = choose_attention(execution_, weights_.head_dim()).attention;
    conditions_ =
        make_conditions(x_, {{texts.input("0.f32").to(weights_.dtype())}, {texts.input("4.f32").to(weights_.dtype())}},
                        4.0, weights_, execution_);
  }
  VelocityField field(CudaGraphs graphs) const {
    Execution execution = execution_;
    execution.cuda_graphs = graphs;
    return {conditions_, weights_, execution};
  }

  c10::InferenceMode guard_;
  DitWeights weights_;
  Execution execution_;
  Conditions conditions_;
  at::Tensor x_;
};
INSTANTIATE_TEST_SUITE_P(Precisions, Fields,
                         testing::Values(Precision::reference, Precision::exact, Precision::fp8_linear),
                         [](const auto& p) {
                           std::string name = to_string(p.param);
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST_P(Fields, ReplayedForwardsGiveTheSameBitsAtEveryStep) {
  VelocityField replayed = field(CudaGraphs::on), plain = field(CudaGraphs::off);
  for (int step = 0; step < 4; ++step) {
    const at::Tensor x = x_ * (1 - 0.2 * step);
    const double timestep = 900 - 100 * step;
    EXPECT_TRUE(at::equal(replayed.at(x, timestep), plain.at(x, timestep))) << "step " << step;
  }
}

TEST_P(Fields, AResultStaysWhenTheNextOneIsComputed) {
  VelocityField field = this->field(CudaGraphs::on);
  field.at(x_, 900);
  const at::Tensor second = field.at(x_, 800), kept = second.clone();
  field.at(x_ * 0.5, 100);
  EXPECT_TRUE(at::equal(second, kept));
}

}  // namespace
}  // namespace wf
