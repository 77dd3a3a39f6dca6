// tests/launcher/farm_mpi_test.cpp: the farm with real ranks, letters and threads, where stages sleep as long as the
// planner says that they take: what is left of a schedule when nobody waits for a core.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <deque>
#include <set>
#include <thread>

#include "launcher/farm/control.hpp"
#include "launcher/farm/dispatch_setup.hpp"
#include "launcher/farm/worker.hpp"
#include "launcher/planner/predict.hpp"
#include "launcher/random_model/random_model.hpp"
#include "pipeline/experts.hpp"
#include "tests/launcher/published_model.hpp"
#include "tests/mpi_main.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

/// Sleeps through the stages, in seconds of the planner times `scale`. Of a stage with steps the last is a quarter.
class SleepingWork : public GroupWork {
 public:
  SleepingWork(const std::vector<Job>& jobs, Predicted predicted, double scale)
      : jobs_(jobs), predicted_(std::move(predicted)), scale_(scale) {}

  void take_role(Role, const Lender*) override {}
  Lent lend(Role) override { return {}; }
  void begin(std::size_t clip, const Bytes* parcel) override {
    clip_ = clip;
    seconds_ = {};
    passed_ = parcel ? *parcel : Bytes();
    EXPECT_TRUE(passed_.empty() || passed_.front() == static_cast<std::uint8_t>(clip)) << "another clip's parcel";
  }
  bool advance(Stage stage, const std::function<void()>& nearly_done) override {
    const double seconds = predicted_(jobs_[clip_], stage);
    const double last = stage == Stage::high || stage == Stage::low ? seconds / 4 : seconds;
    std::this_thread::sleep_for(std::chrono::duration<double>((seconds - last) * scale_));
    if (nearly_done) nearly_done();
    std::this_thread::sleep_for(std::chrono::duration<double>(last * scale_));
    seconds_[static_cast<std::size_t>(stage)] = seconds;
    if (passed_.empty()) passed_.push_back(static_cast<std::uint8_t>(clip_));
    passed_.push_back(static_cast<std::uint8_t>(stage));
    return true;
  }
  SecondsByStage seconds() const override { return seconds_; }
  std::function<Bytes()> park() override {
    return [parcel = passed_] { return parcel; };
  }
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

/// An expert is a number here, and a copy of it takes 20 ms.
class LendingWork final : public SleepingWork {
 public:
  using SleepingWork::SleepingWork;

  void take_role(Role role, const Lender* lender) override { experts_.use(expert_of(role), nullptr, lender); }
  Lent lend(Role role) override {
    std::shared_ptr<const DitWeights> expert = experts_.lend(expert_of(role));
    if (!expert) return {};
    const std::lock_guard lock(mutex_);
    lent_ = expert;
    return {number_of(expert_of(role)), std::move(expert)};
  }
  int copied = 0, read = 0;

 private:
  static Expert expert_of(Role role) { return role == Role::high ? Expert::high : Expert::low; }
  static Bytes number_of(Expert expert) { return {static_cast<std::uint8_t>(expert)}; }
  DitWeights load(Expert which, const Lender* lender) {
    {
      const std::lock_guard lock(mutex_);
      EXPECT_TRUE(lent_.expired()) << "the last one's memory is not free, for others copy it";
    }
    const Lent lent = lender ? lender->borrow() : Lent{};
    if (lent.handles.empty()) return ++read, DitWeights();
    EXPECT_EQ(lent.handles, number_of(which));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return ++copied, DitWeights();
  }

  std::mutex mutex_;
  std::weak_ptr<const DitWeights> lent_;
  Experts experts_{Residency::one, at::kCPU,
                   [this](Expert which, NodeReader*, const Lender* lender) { return load(which, lender); }};
};

/// Pieces of parked clips arrive later than they came.
class SlowMail final : public Mail {
 public:
  SlowMail(std::unique_ptr<Mail> mail, double seconds) : mail_(std::move(mail)), delay_(seconds) {}
  int rank() const override { return mail_->rank(); }
  int size() const override { return mail_->size(); }
  void send(int to, Bytes bytes) override { mail_->send(to, std::move(bytes)); }
  std::optional<Letter> receive() override {
    if (!late_.empty() && seconds_since(late_.front().came) >= delay_) {
      Letter letter = std::move(late_.front().letter);
      late_.pop_front();
      return letter;
    }
    std::optional<Letter> letter = mail_->receive();
    if (!letter || !std::holds_alternative<letter::Piece>(to_message(letter->bytes))) return letter;
    late_.push_back({Clock::now(), std::move(*letter)});
    return std::nullopt;
  }
  bool is_carrying() const override { return mail_->is_carrying(); }
  bool flush(std::chrono::milliseconds deadline) override { return mail_->flush(deadline); }

 private:
  struct Late {
    Clock::time_point came;
    Letter letter;
  };
  std::unique_ptr<Mail> mail_;
  double delay_;
  std::deque<Late> late_;
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

struct Scene {
  const std::vector<Job>& jobs;
  std::vector<Role> roles;
  Predicted predicted;
  DispatchOptions options;
  double scale = 1;         ///< of the predicted seconds
  double pull_seconds = 0;  ///< that a parked clip takes to another rank, at the least
};

/// One rank's part; rank 0 hands out. Returns when all clips are done.
Ran run_farm(const Scene& scene, SleepingWork& work) {
  const auto& [jobs, roles, predicted, options, scale, pull_seconds] = scene;
  SlowMail mail(test_world().mail(), pull_seconds);
  const Groups groups = make_groups(std::vector<std::string>(4, "node"), 1);
  Courier courier(mail, {.hosts = {}, .end_process = [](int code) { std::_Exit(code); }});
  work.take_role(roles[static_cast<std::size_t>(courier.rank())], nullptr);
  Worker worker(groups, courier, work);
  const auto begin = Clock::now();
  Ran ran;
  if (courier.rank() == 0) {
    Counts counts;
    Dispatch dispatch(jobs, roles, predicted, options);
    Control control(dispatch, groups, courier, counts);
    {
      const std::jthread dispatching([&] { control.run(); });
      worker.run();
    }
    EXPECT_EQ(counts.clips.size(), jobs.size());
    for (int group = 0; group < 4; ++group)
      ran.changed += dispatch.role(group) != roles[static_cast<std::size_t>(group)];
  } else {
    worker.run();
    courier.say_farewell("");
  }
  ran.seconds = seconds_since(begin);
  return ran;
}

Ran run_farm(const Scene& scene) {
  SleepingWork work(scene.jobs, scene.predicted, scene.scale);
  return run_farm(scene, work);
}

TEST(Farm, PoolsAreAsBusyAsThePlannerSays) {
  const PlanRequest request = request_for_pools();
  const Considered plan = make_plan(request).winner();
  const double planned = plan.predicted.makespan - plan.predicted.start_seconds;
  constexpr double wanted_seconds = 8;
  const double scale = wanted_seconds / planned;
  const Ran ran = run_farm({request.jobs, roles_at_start(plan.plan), predicted_by(request, plan.plan),
                            dispatch_options(request, plan.plan), scale});
  const double share = wanted_seconds / ran.seconds;
  std::printf("%s: planned %.2f s, took %.2f s: %.1f %% of the planner's utilisation (wanted: 95 %%)\n",
              describe(plan.plan).c_str(), wanted_seconds, ran.seconds, 100 * share);
  EXPECT_TRUE(share >= 0.95 || test_world().rank() != 0);
}

TEST(Farm, WrongPoolsAreMendedOnTheWay) {
  const PlanRequest request = request_for_pools();
  const Considered plan = make_plan(request).winner();
  Staging wrong = staging_of(request, plan.plan);
  wrong.groups = {Role::low, Role::low, Role::low, Role::high};
  const auto simulated = [&] { return simulate(request.jobs, wrong).back().end; };
  wrong.dispatch.change_seconds = 1e9;
  const double kept = simulated();
  wrong.dispatch.change_seconds = wrong.dispatch.least_seconds_in_role = 0.01;
  const double mended = simulated();
  EXPECT_LT(mended, 0.6 * kept) << "one high group alone";
  const Ran ran = run_farm({request.jobs, wrong.groups, predicted_by(request, plan.plan), wrong.dispatch, 4 / mended});
  EXPECT_TRUE(ran.changed > 0 || test_world().rank() != 0);
  EXPECT_LT(ran.seconds, 4 / 0.9);
}

/// Low-noise work piles up beside rank 3, which has had its expert since long before others take that role.
TEST(Farm, ARankThatChangesItsRoleCopiesTheExpertOfAnother) {
  const std::vector<Job> jobs(16);
  const auto seconds = [](const Job&, Stage stage) { return stage == Stage::low ? 0.2 : 0.02; };
  const Scene scene{jobs,
                    {Role::high, Role::high, Role::high, Role::low},
                    seconds,
                    {.change_seconds = 0.01, .least_seconds_in_role = 0.1}};
  LendingWork work(scene.jobs, scene.predicted, scene.scale);
  run_farm(scene, work);
  const at::Tensor own = at::tensor({work.copied, work.read}).view({1, 2});
  const at::Tensor all = test_world().communicator()->all_gather(own, {1, 1, 1, 1}).sum(0);
  const int copied = all[0].item<int>(), read = all[1].item<int>();
  if (test_world().rank() == 0) std::printf("%d experts were copied, %d read\n", copied, read);
  EXPECT_GE(copied, 1);
  EXPECT_GE(read, 4) << "each rank's first";
}

/// The low pool has more to do, so that clips wait for it and can be fetched before their turn; each is decoded for as
/// long as the next is on its way. No two clips are equally long: groups that ask in the same moment may be given each
/// other's.
TEST(Farm, SlowTransfersTakeNoTimeFromAPoolThatHasClipsWaiting) {
  std::vector<Job> jobs(16);
  for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i].seed = static_cast<std::int64_t>(i);
  const auto seconds = [](const Job& job, Stage stage) {
    const std::array lengths{0.0, 0.15, 0.15, 0.2, 0.0};
    return lengths[static_cast<std::size_t>(stage)] *
           (0.8 + 0.4 * std::fmod(0.618 * static_cast<double>(*job.seed), 1));
  };
  Scene scene{jobs, {Role::high, Role::high, Role::low, Role::low}, seconds, {.change_seconds = 1e9}};
  const double without = run_farm(scene).seconds;
  scene.pull_seconds = 0.15;
  const double with = run_farm(scene).seconds;
  std::printf("16 clips took %.2f s; with transfers of 0.15 s %.2f s (one for each clip of a group: %.2f s)\n", without,
              with, without + 8 * 0.15);
  EXPECT_LT(with, without + 4 * 0.15) << "the first of each group cannot come ahead, but most others";
}

}  // namespace
}  // namespace wf
