// tests/launcher/farm_mpi_test.cpp: the farm with real ranks, letters and threads, where stages sleep as long as the
// planner says that they take: what is left of a schedule when nobody waits for a core.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <set>
#include <thread>

#include "launcher/farm/control.hpp"
#include "launcher/farm/dispatch_setup.hpp"
#include "launcher/farm/worker.hpp"
#include "launcher/planner/predict.hpp"
#include "launcher/random_model/random_model.hpp"
#include "tests/launcher/published_model.hpp"
#include "tests/mpi_main.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

/// Sleeps through the stages, in seconds of the planner times `scale`.
class SleepingWork final : public GroupWork {
 public:
  SleepingWork(const std::vector<Job>& jobs, Predicted predicted, double scale)
      : jobs_(jobs), predicted_(std::move(predicted)), scale_(scale) {}

  void take_role(Role) override {}
  void begin(std::size_t clip, const Bytes* parcel) override {
    clip_ = clip;
    seconds_ = {};
    passed_ = parcel ? *parcel : Bytes();
    EXPECT_TRUE(passed_.empty() || passed_.front() == static_cast<std::uint8_t>(clip)) << "another clip's parcel";
  }
  bool advance(Stage stage) override {
    const double seconds = predicted_(jobs_[clip_], stage) * scale_;
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    seconds_[static_cast<std::size_t>(stage)] = seconds / scale_;
    if (passed_.empty()) passed_.push_back(static_cast<std::uint8_t>(clip_));
    passed_.push_back(static_cast<std::uint8_t>(stage));
    return true;
  }
  SecondsByStage seconds() const override { return seconds_; }
  Bytes park() override { return passed_; }
  std::function<Finished()> finish() override {
    EXPECT_EQ(passed_.size(), 1 + all_stages.size() - 1) << "every stage but write, once";
    return [seconds = seconds_] { return Finished{seconds, "{}"}; };
  }
  void store(std::size_t, const Bytes&) override { ADD_FAILURE() << "nothing was stopped"; }

 private:
  const std::vector<Job>& jobs_;
  Predicted predicted_;
  double scale_;
  std::size_t clip_ = 0;
  SecondsByStage seconds_ = {};
  Bytes passed_;
};

struct Counts final : Witness {
  void done(std::size_t clip, const std::string&) override { EXPECT_TRUE(clips.insert(clip).second) << clip; }
  void failed(std::size_t, const Error& error, bool) override { ADD_FAILURE() << error.what(); }
  void at_work(const std::vector<Activity>&) override {}
  std::set<std::size_t> clips;
};

/// Four GPUs that hold one expert, and 24 clips of two sizes.
PlanRequest request_for_pools() {
  PlanRequest request;
  request.hardware = equal_nodes(1, 4, 48ull << 30, gpu_figures("h200"));
  request.model = published_model();
  request.execution.precision = Precision::exact;
  request.execution.device = request.execution.text_device = at::Device(at::kCUDA, 0);
  request.execution.tf32 = true;
  request.choices = {.mode = PlacementMode::pipeline, .guidance = 1, .ulysses = 1, .ring = 1};
  request.jobs.resize(24);
  for (std::size_t i = 0; i < request.jobs.size(); ++i) {
    request.jobs[i].name = "clip-" + std::to_string(i);
    if (i % 3 == 0) request.jobs[i].frames = 49;
  }
  return request;
}

struct Ran {
  double seconds = 0;
  int changed = 0;  ///< groups that ended in another role (known to rank 0)
};

/// One rank's part; rank 0 hands out. Returns when all clips are done.
Ran run_farm(const PlanRequest& request, const PlacementPlan& plan, const std::vector<Role>& roles,
             const DispatchOptions& options, double scale) {
  const std::unique_ptr<Mail> mail = test_world().mail();
  const Groups groups = make_groups(std::vector<std::string>(4, "node"), 1);
  const Predicted predicted = predicted_by(request, plan);
  Courier courier(*mail, {.hosts = {}, .end_process = [](int code) { std::_Exit(code); }});
  SleepingWork work(request.jobs, predicted, scale);
  Worker worker(groups, courier, work);
  const auto begin = Clock::now();
  Ran ran;
  if (courier.rank() == 0) {
    Counts counts;
    Dispatch dispatch(request.jobs, roles, predicted, options);
    Control control(dispatch, groups, courier, counts);
    {
      const std::jthread dispatching([&] { control.run(); });
      worker.run();
    }
    EXPECT_EQ(counts.clips.size(), request.jobs.size());
    for (int group = 0; group < 4; ++group)
      ran.changed += dispatch.role(group) != roles[static_cast<std::size_t>(group)];
  } else {
    worker.run();
    courier.say_farewell("");
  }
  ran.seconds = seconds_since(begin);
  return ran;
}

TEST(Farm, PoolsAreAsBusyAsThePlannerSays) {
  const PlanRequest request = request_for_pools();
  const Considered plan = make_plan(request).winner();
  const double planned = plan.predicted.makespan - plan.predicted.start_seconds;
  constexpr double wanted_seconds = 8;
  const double scale = wanted_seconds / planned;
  const Ran ran = run_farm(request, plan.plan, roles_at_start(plan.plan), dispatch_options(request, plan.plan), scale);
  const double share = wanted_seconds / ran.seconds;
  std::printf("%s: planned %.2f s, took %.2f s: %.1f %% of the planner's utilisation (wanted: 95 %%)\n",
              describe(plan.plan).c_str(), wanted_seconds, ran.seconds, 100 * share);
  EXPECT_TRUE(share >= 0.95 || test_world().rank() != 0);
}

TEST(Farm, WrongPoolsAreMendedOnTheWay) {
  const PlanRequest request = request_for_pools();
  const Considered plan = make_plan(request).winner();
  DispatchOptions options = dispatch_options(request, plan.plan);
  options.change_seconds = options.least_seconds_in_role = 0.01;
  const Ran ran =
      run_farm(request, plan.plan, {Role::low, Role::low, Role::low, Role::high}, options, 4 / plan.predicted.makespan);
  EXPECT_TRUE(ran.changed > 0 || test_world().rank() != 0);
  EXPECT_LT(ran.seconds, 4 / 0.85) << "with one high group alone it would be twice that";
}

}  // namespace
}  // namespace wf
