// tests/launcher/run/worker_test.cpp: a whole run of one rank, whose one group takes clips through both experts in
// turns: what goes on in the background of the next clip, and what becomes of it when it fails or a stop comes.
#include "launcher/run/worker.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <map>
#include <set>

#include "launcher/run/coordinator.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

/// The state of a clip is its number. Every stage can be watched, and made to fail.
struct WatchedWork final : GroupWork {
  std::function<void(std::size_t clip, Stage stage)> on_stage = [](std::size_t, Stage) {};
  std::function<void(std::size_t clip)> on_stash = [](std::size_t) {};  ///< on the thread that stashes
  std::map<std::size_t, Bytes> stored;

  void take_role(Role, const WeightPeer*) override {}
  WeightLease lease(Role) override { return {}; }
  bool is_shared(Stage) const override { return false; }
  bool left_by_group() const override { return true; }
  void begin(std::size_t clip, const Bytes* state, Earlier) override {
    clip_ = clip;
    EXPECT_TRUE(!state || *state == Bytes{static_cast<std::uint8_t>(clip)});
  }
  bool advance(Stage stage, const std::function<void()>& nearly_done) override {
    if (nearly_done) nearly_done();
    on_stage(clip_, stage);
    return true;
  }
  SecondsByStage seconds() const override { return {}; }
  std::function<Bytes()> stash() override {
    return [this, clip = clip_] {
      on_stash(clip);
      return Bytes{static_cast<std::uint8_t>(clip)};
    };
  }
  std::function<FinishedClip()> finish() override {
    return [] { return FinishedClip{{}, "{}"}; };
  }
  void store(std::size_t clip, const Bytes& state) override { stored[clip] = state; }

 private:
  std::size_t clip_ = 0;
};

using Clips = std::set<std::size_t>;

struct ClipResults final : RunObserver {
  void done(std::size_t clip, const std::string&) override { finished.insert(clip); }
  void failed(std::size_t clip, const Error&, bool tried_again) override {
    (tried_again ? again : failures).insert(clip);
  }
  void quarantined(std::size_t, const Error&) override {}
  void lost(int, const std::string&, const std::string&) override {}
  void at_work(const std::vector<Activity>&) override {}
  Clips finished, failures, again;
};

/// A transport of one rank that remembers when the last order was sent.
class WatchedTransport final : public Transport {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void send(int to, SharedBytes bytes) override {
    const bool is_last = std::holds_alternative<message::NoMoreWork>(to_message(*bytes));
    transport_->send(to, std::move(bytes));
    if (is_last) last_order_.set_value();
  }
  void forget(int rank) override { transport_->forget(rank); }
  std::optional<Packet> receive() override { return transport_->receive(); }
  bool is_carrying() const override { return transport_->is_carrying(); }
  bool flush(std::chrono::milliseconds deadline) override { return transport_->flush(deadline); }
  void wait_for_last_order() { last_order_.get_future().wait(); }

 private:
  std::unique_ptr<Transport> transport_ = local_transport();
  std::promise<void> last_order_;
};

struct RunOfOneRank {
  explicit RunOfOneRank(std::size_t clips) : jobs(clips) {}

  void run(const DispatchOptions& options = {.change_seconds = 0, .least_seconds_in_role = 0}) {
    Dispatch dispatch(
        jobs, {Role::high}, [](const Job&, Stage) { return 1.0; }, options);
    Coordinator coordinator(dispatch, groups, agent, results);
    const std::jthread dispatching([&] { coordinator.run(); });
    Worker(groups, agent, work).run();
  }

  std::vector<Job> jobs;
  WatchedTransport transport;
  RankAgent agent{transport, {.hosts = {"here"}, .end_process = [](int) { ADD_FAILURE() << "the process would end"; }}};
  Groups groups{{{0}}};
  WatchedWork work;
  ClipResults results;
};

TEST(Worker, ComputesTheNextClipWhileOneIsStashed) {
  RunOfOneRank one(2);
  std::promise<void> next_has_begun;
  one.work.on_stage = [&](std::size_t clip, Stage stage) {
    if (clip == 1 && stage == Stage::high) next_has_begun.set_value();
  };
  one.work.on_stash = [&](std::size_t clip) {
    EXPECT_TRUE(clip == 1 || next_has_begun.get_future().wait_for(10s) == std::future_status::ready);
  };
  one.run();
  EXPECT_EQ(one.results.finished, (Clips{0, 1}));
}

TEST(Worker, AClipThatCannotBeStashedFailsAndTheOthersGoOn) {
  RunOfOneRank one(3);
  one.work.on_stash = [](std::size_t clip) {
    if (clip == 1) throw Error(Error::permanent, "on purpose");
  };
  one.run();
  EXPECT_EQ(one.results.failures, Clips{1});
  EXPECT_EQ(one.results.finished, (Clips{0, 2}));
}

TEST(Worker, AClipThatCouldNotBeStashedOnceIsTriedAgain) {
  RunOfOneRank one(3);
  one.work.on_stash = [failed = false](std::size_t clip) mutable {
    if (clip == 1 && !std::exchange(failed, true)) throw Error(Error::transient, "on purpose");
  };
  one.run();
  EXPECT_EQ(one.results.again, Clips{1});
  EXPECT_EQ(one.results.finished, (Clips{0, 1, 2}));
}

TEST(Worker, AClipThatIsBeingStashedAtTheLastOrderOfAStopIsStored) {
  RunOfOneRank one(2);
  one.work.on_stage = [&](std::size_t clip, Stage) {
    if (clip == 1) one.agent.stop_all();
  };
  one.work.on_stash = [&](std::size_t clip) {
    if (clip == 1) one.transport.wait_for_last_order();
  };
  one.run();
  EXPECT_EQ(one.work.stored, (std::map<std::size_t, Bytes>{{0, {0}}, {1, {1}}}));
  EXPECT_TRUE(one.results.failures.empty());
}

TEST(Worker, AClipThatIsBeingStashedCountsAsStashed) {
  RunOfOneRank one(6);
  std::atomic<int> high = 0, fetched = 0, most = 0;
  one.work.on_stage = [&](std::size_t, Stage stage) {
    if (stage == Stage::high) most = std::max(most.load(), ++high - fetched);
    if (stage == Stage::low) ++fetched;
  };
  one.work.on_stash = [](std::size_t) { std::this_thread::sleep_for(50ms); };
  one.run({.stashed_per_group = 2, .change_seconds = 0, .least_seconds_in_role = 0});
  EXPECT_EQ(one.results.finished.size(), 6u);
  EXPECT_EQ(most, 2) << "a third clip was begun while two filled the room for stashed states";
}

TEST(Worker, AnErrorOfTheGroupIsToldBeforeAnythingIsUnwound) {
  RunOfOneRank one(1);
  struct Unwound {
    std::vector<std::string>& order;
    ~Unwound() { order.emplace_back("unwound"); }
  };
  std::vector<std::string> order;
  one.agent.send(0, message::ChangeRole{Role::low, {-1}});
  struct BrokenRole final : GroupWork {
    explicit BrokenRole(std::function<void()> to_fail) : fail(std::move(to_fail)) {}
    std::function<void()> fail;
    void take_role(Role, const WeightPeer*) override { fail(); }
    WeightLease lease(Role) override { return {}; }
    bool is_shared(Stage) const override { return false; }
    bool left_by_group() const override { return true; }
    void begin(std::size_t, const Bytes*, Earlier) override {}
    bool advance(Stage, const std::function<void()>&) override { return true; }
    SecondsByStage seconds() const override { return {}; }
    std::function<Bytes()> stash() override { return {}; }
    std::function<FinishedClip()> finish() override { return {}; }
    void store(std::size_t, const Bytes&) override {}
  } work([&] { throw Error(Error::environment, "on purpose"); });
  const auto run = [&] {
    const Unwound communicators{order};
    Worker(one.groups, one.agent, work).run([&](const Error& error) { order.emplace_back(error.what()); });
  };
  EXPECT_THROW(run(), Error);
  EXPECT_EQ(order, (std::vector<std::string>{"on purpose", "unwound"}));
}

}  // namespace
}  // namespace wf
