// tests/launcher/run/run_mpi_test.cpp: a run with real ranks, messages and threads, in which stages only sleep for as
// long as the planner predicts. It shows how much time messages, hand-overs and role changes add to a planned schedule.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <deque>
#include <set>
#include <thread>

#include "cluster/mpi_transport.hpp"
#include "launcher/planner/dispatch_setup.hpp"
#include "launcher/planner/predict.hpp"
#include "launcher/random_model/random_model.hpp"
#include "launcher/run/coordinator.hpp"
#include "launcher/run/worker.hpp"
#include "parallel/mpi_communicator.hpp"
#include "pipeline/experts/experts.hpp"
#include "tests/launcher/run/published_model.hpp"
#include "tests/mpi_main.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

/// Sleeps in each stage for the predicted seconds times `scale`. The last step of a denoising stage takes a quarter of
/// it. A clip's state is its number, then the stages that it has passed.
class SleepingWork : public GroupWork {
 public:
  SleepingWork(const std::vector<Job>& jobs, Predicted predicted, double scale)
      : jobs_(jobs), predicted_(std::move(predicted)), scale_(scale) {}

  void take_role(Role, const WeightPeer*) override {}
  WeightLease lease(Role) override { return {}; }
  bool is_shared(Stage) const override { return false; }
  bool left_by_group() const override { return true; }
  void begin(std::size_t clip, const Bytes* state, Earlier) override {
    clip_ = clip;
    seconds_ = {};
    passed_ = state ? *state : Bytes();
    EXPECT_TRUE(passed_.empty() || passed_.front() == static_cast<std::uint8_t>(clip)) << "another clip's state";
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
  std::function<Bytes()> stash() override {
    return [state = passed_] { return state; };
  }
  std::function<FinishedClip()> finish() override {
    EXPECT_EQ(passed_.size(), 1 + all_stages.size() - 1) << "every stage but write, once";
    return [seconds = seconds_] { return FinishedClip{seconds, "{}"}; };
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

/// The same with role changes: an expert is represented by a number, and copying it from a peer takes 20 ms.
class PeerWeightWork final : public SleepingWork {
 public:
  using SleepingWork::SleepingWork;

  void take_role(Role role, const WeightPeer* peer) override { experts_.use(expert_of(role), nullptr, peer); }
  WeightLease lease(Role role) override {
    std::shared_ptr<const DitWeights> expert = experts_.lease(expert_of(role));
    if (!expert) return {};
    const std::lock_guard lock(mutex_);
    leased_ = expert;
    return {number_of(expert_of(role)), std::move(expert)};
  }
  int copied = 0, read = 0;

 private:
  static Expert expert_of(Role role) { return role == Role::high ? Expert::high : Expert::low; }
  static Bytes number_of(Expert expert) { return {static_cast<std::uint8_t>(expert)}; }
  DitWeights load(Expert which, const WeightPeer* peer) {
    {
      const std::lock_guard lock(mutex_);
      EXPECT_TRUE(leased_.expired()) << "the previous expert's memory is not free yet: another rank copies from it";
    }
    const WeightLease leased = peer ? peer->request() : WeightLease{};
    if (leased.handles.empty()) return ++read, DitWeights();
    EXPECT_EQ(leased.handles, number_of(which));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return ++copied, DitWeights();
  }

  std::mutex mutex_;
  std::weak_ptr<const DitWeights> leased_;
  Experts experts_{
      Residency::one, at::kCPU,
      [this](Expert which, NodeReader*, const WeightPeer* peer, const SettleBlock&) { return load(which, peer); }};
};

/// Delivers the chunks of stashed states with a delay.
class SlowTransport final : public Transport {
 public:
  SlowTransport(std::unique_ptr<Transport> transport, double seconds)
      : transport_(std::move(transport)), delay_(seconds) {}
  int rank() const override { return transport_->rank(); }
  int size() const override { return transport_->size(); }
  void send(int to, SharedBytes bytes) override { transport_->send(to, std::move(bytes)); }
  void forget(int rank) override { transport_->forget(rank); }
  std::optional<Packet> receive() override {
    if (!late_.empty() && seconds_since(late_.front().came) >= delay_) {
      Packet packet = std::move(late_.front().packet);
      late_.pop_front();
      return packet;
    }
    std::optional<Packet> packet = transport_->receive();
    if (!packet || !std::holds_alternative<message::StateChunk>(to_message(packet->bytes))) return packet;
    late_.push_back({Clock::now(), std::move(*packet)});
    return std::nullopt;
  }
  bool is_carrying() const override { return transport_->is_carrying(); }
  bool flush(std::chrono::milliseconds deadline) override { return transport_->flush(deadline); }

 private:
  struct Late {
    Clock::time_point came;
    Packet packet;
  };
  std::unique_ptr<Transport> transport_;
  double delay_;
  std::deque<Late> late_;
};

struct Counts final : RunObserver {
  void done(std::size_t clip, const std::string&) override { EXPECT_TRUE(clips.insert(clip).second) << clip; }
  void failed(std::size_t, const Error& error, bool) override { ADD_FAILURE() << error.what(); }
  void quarantined(std::size_t, const Error& error) override { ADD_FAILURE() << error.what(); }
  void lost(int, const std::string&, const std::string&) override {}
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
  double scale = 1;          ///< of the predicted seconds
  double fetch_seconds = 0;  ///< that a stashed clip takes to another rank, at the least
};

/// One rank's part of a run; rank 0 coordinates. Returns when all clips are done.
Ran run_ranks(const Scene& scene, SleepingWork& work) {
  const auto& [jobs, roles, predicted, options, scale, fetch_seconds] = scene;
  SlowTransport transport(mpi_transport(test_world()), fetch_seconds);
  const Groups groups = make_groups(std::vector<std::string>(4, "node"), 1);
  RankAgent agent(transport, {.hosts = {}, .end_process = [](int code) { std::_Exit(code); }});
  work.take_role(roles[static_cast<std::size_t>(agent.rank())], nullptr);
  Worker worker(groups, agent, work);
  const auto begin = Clock::now();
  Ran ran;
  if (agent.rank() == 0) {
    Counts counts;
    Dispatch dispatch(jobs, roles, predicted, options);
    Coordinator coordinator(dispatch, groups, agent, counts);
    {
      const std::jthread dispatching([&] { coordinator.run(); });
      worker.run();
    }
    EXPECT_EQ(counts.clips.size(), jobs.size());
    for (int group = 0; group < 4; ++group)
      ran.changed += dispatch.role(group) != roles[static_cast<std::size_t>(group)];
  } else {
    worker.run();
    agent.say_farewell("");
  }
  ran.seconds = seconds_since(begin);
  return ran;
}

Ran run_ranks(const Scene& scene) {
  SleepingWork work(scene.jobs, scene.predicted, scene.scale);
  return run_ranks(scene, work);
}

TEST(RunOfRanks, PoolsAreAsBusyAsThePlannerSays) {
  const PlanRequest request = request_for_pools();
  const Considered plan = make_plan(request).winner();
  const double planned = plan.predicted.makespan - plan.predicted.start_seconds;
  constexpr double wanted_seconds = 20;  // long against what a busy machine adds to each of some hundred messages
  const double scale = wanted_seconds / planned;
  const Ran ran = run_ranks({request.jobs, roles_at_start(plan.plan), predicted_by(request, plan.plan),
                             dispatch_options(request, plan.plan), scale});
  const double share = wanted_seconds / ran.seconds;
  std::printf("%s: planned %.2f s, took %.2f s: %.1f %% of the planner's utilisation (wanted: 95 %%)\n",
              describe(plan.plan).c_str(), wanted_seconds, ran.seconds, 100 * share);
  EXPECT_TRUE(share >= 0.95 || test_world().rank() != 0);
}

TEST(RunOfRanks, WrongPoolSizesAreCorrectedDuringTheRun) {
  const PlanRequest request = request_for_pools();
  const Considered plan = make_plan(request).winner();
  SimulationSetup wrong = simulation_setup(request, plan.plan);
  wrong.groups = {Role::low, Role::low, Role::low, Role::high};
  const auto simulated = [&] { return simulate(request.jobs, wrong).back().end; };
  wrong.dispatch.change_seconds = 1e9;
  const double kept = simulated();
  wrong.dispatch.change_seconds = wrong.dispatch.least_seconds_in_role = 0.01;
  const double corrected = simulated();
  EXPECT_LT(corrected, 0.6 * kept) << "one high group alone";
  const Ran ran =
      run_ranks({request.jobs, wrong.groups, predicted_by(request, plan.plan), wrong.dispatch, 4 / corrected});
  EXPECT_TRUE(ran.changed > 0 || test_world().rank() != 0);
  EXPECT_LT(ran.seconds, 4 / 0.9);
}

/// Low-noise work piles up beside rank 3, which has had its expert since long before others take that role.
TEST(RunOfRanks, ARankThatChangesItsRoleCopiesTheExpertOfAnother) {
  const std::vector<Job> jobs(16);
  const auto seconds = [](const Job&, Stage stage) { return stage == Stage::low ? 0.2 : 0.02; };
  const Scene scene{jobs,
                    {Role::high, Role::high, Role::high, Role::low},
                    seconds,
                    {.change_seconds = 0.01, .least_seconds_in_role = 0.1}};
  PeerWeightWork work(scene.jobs, scene.predicted, scene.scale);
  run_ranks(scene, work);
  const at::Tensor own = at::tensor({work.copied, work.read}).view({1, 2});
  const at::Tensor all = mpi_communicator(test_world())->all_gather(own, {1, 1, 1, 1}).sum(0);
  const int copied = all[0].item<int>(), read = all[1].item<int>();
  if (test_world().rank() == 0) std::printf("%d experts were copied, %d read\n", copied, read);
  EXPECT_GE(copied, 1);
  EXPECT_GE(read, 4) << "each rank's first";
}

/// The low pool has more to do, so that clips wait for it and can be fetched before their turn; each is decoded for as
/// long as the next is on its way. No two clips are equally long: groups that ask in the same moment may be given each
/// other's.
TEST(RunOfRanks, SlowTransfersTakeNoTimeFromAPoolThatHasClipsWaiting) {
  std::vector<Job> jobs(16);
  for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i].seed = static_cast<std::int64_t>(i);
  const auto seconds = [](const Job& job, Stage stage) {
    const std::array lengths{0.0, 0.15, 0.15, 0.2, 0.0};
    return lengths[static_cast<std::size_t>(stage)] *
           (0.8 + 0.4 * std::fmod(0.618 * static_cast<double>(*job.seed), 1));
  };
  Scene scene{jobs, {Role::high, Role::high, Role::low, Role::low}, seconds, {.change_seconds = 1e9}};
  const double without = run_ranks(scene).seconds;
  scene.fetch_seconds = 0.15;
  const double with = run_ranks(scene).seconds;
  std::printf("16 clips took %.2f s; with transfers of 0.15 s %.2f s (one for each clip of a group: %.2f s)\n", without,
              with, without + 8 * 0.15);
  EXPECT_LT(with, without + 4 * 0.15) << "the first of each group cannot come ahead, but most others";
}

}  // namespace
}  // namespace wf
