// tests/launcher/worker_test.cpp: a whole farm of one rank, whose one group takes clips through both experts: what goes
// on beside the next clip, and what becomes of it when it fails or a stop comes.
#include "launcher/farm/worker.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <map>
#include <set>

#include "launcher/farm/control.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

/// A clip's parcel is its number. Every step can be watched, and made to fail.
struct WatchedWork final : GroupWork {
  std::function<void(std::size_t clip, Stage stage)> on_stage = [](std::size_t, Stage) {};
  std::function<void(std::size_t clip)> on_park = [](std::size_t) {};  ///< by the thread that parks
  std::map<std::size_t, Bytes> stored;

  void take_role(Role, const Lender*) override {}
  Lent lend(Role) override { return {}; }
  void begin(std::size_t clip, const Bytes* parcel) override {
    clip_ = clip;
    EXPECT_TRUE(!parcel || *parcel == Bytes{static_cast<std::uint8_t>(clip)});
  }
  bool advance(Stage stage, const std::function<void()>& nearly_done) override {
    if (nearly_done) nearly_done();
    on_stage(clip_, stage);
    return true;
  }
  SecondsByStage seconds() const override { return {}; }
  std::function<Bytes()> park() override {
    return [this, clip = clip_] {
      on_park(clip);
      return Bytes{static_cast<std::uint8_t>(clip)};
    };
  }
  std::function<Finished()> finish() override {
    return [] { return Finished{{}, "{}"}; };
  }
  void store(std::size_t clip, const Bytes& parcel) override { stored[clip] = parcel; }

 private:
  std::size_t clip_ = 0;
};

using Clips = std::set<std::size_t>;

struct WhatBecame final : Witness {
  void done(std::size_t clip, const std::string&) override { finished.insert(clip); }
  void failed(std::size_t clip, const Error&, bool tried_again) override {
    (tried_again ? again : failures).insert(clip);
  }
  void at_work(const std::vector<Activity>&) override {}
  Clips finished, failures, again;
};

struct Farm {
  explicit Farm(std::size_t clips) : jobs(clips) {}

  void run(const DispatchOptions& options = {.change_seconds = 0, .least_seconds_in_role = 0}) {
    Dispatch dispatch(
        jobs, {Role::high}, [](const Job&, Stage) { return 1.0; }, options);
    Control control(dispatch, groups, courier, became);
    const std::jthread dispatching([&] { control.run(); });
    Worker(groups, courier, work).run();
  }

  std::vector<Job> jobs;
  std::unique_ptr<Mail> mail = local_mail();
  Courier courier{*mail, {.hosts = {"here"}, .end_process = [](int) { ADD_FAILURE() << "the process would end"; }}};
  Groups groups{{{0}}};
  WatchedWork work;
  WhatBecame became;
};

TEST(Worker, ComputesTheNextClipWhileOneIsParked) {
  Farm farm(2);
  std::promise<void> next_has_begun;
  farm.work.on_stage = [&](std::size_t clip, Stage stage) {
    if (clip == 1 && stage == Stage::high) next_has_begun.set_value();
  };
  farm.work.on_park = [&](std::size_t clip) {
    EXPECT_TRUE(clip == 1 || next_has_begun.get_future().wait_for(10s) == std::future_status::ready);
  };
  farm.run();
  EXPECT_EQ(farm.became.finished, (Clips{0, 1}));
}

TEST(Worker, AClipThatCannotBeParkedFailsAndTheOthersGoOn) {
  Farm farm(3);
  farm.work.on_park = [](std::size_t clip) {
    if (clip == 1) throw Error(Error::permanent, "on purpose");
  };
  farm.run();
  EXPECT_EQ(farm.became.failures, Clips{1});
  EXPECT_EQ(farm.became.finished, (Clips{0, 2}));
}

TEST(Worker, AClipThatCouldNotBeParkedOnceIsTriedAgain) {
  Farm farm(3);
  farm.work.on_park = [failed = false](std::size_t clip) mutable {
    if (clip == 1 && !std::exchange(failed, true)) throw Error(Error::transient, "on purpose");
  };
  farm.run();
  EXPECT_EQ(farm.became.again, Clips{1});
  EXPECT_EQ(farm.became.finished, (Clips{0, 1, 2}));
}

TEST(Worker, WhatIsBeingParkedWhenAStopComesIsStored) {
  Farm farm(2);
  farm.work.on_stage = [&](std::size_t clip, Stage) {
    if (clip == 1) farm.courier.stop_all();
  };
  farm.work.on_park = [](std::size_t clip) {
    if (clip == 1) std::this_thread::sleep_for(300ms);  // the group has its last order by then
  };
  farm.run();
  EXPECT_EQ(farm.work.stored, (std::map<std::size_t, Bytes>{{0, {0}}, {1, {1}}}));
  EXPECT_TRUE(farm.became.failures.empty());
}

TEST(Worker, AClipThatIsBeingParkedCountsAsParked) {
  Farm farm(6);
  std::atomic<int> high = 0, pulled = 0, most = 0;
  farm.work.on_stage = [&](std::size_t, Stage stage) {
    if (stage == Stage::high) most = std::max(most.load(), ++high - pulled);
    if (stage == Stage::low) ++pulled;
  };
  farm.work.on_park = [](std::size_t) { std::this_thread::sleep_for(50ms); };
  farm.run({.parked_per_group = 2, .change_seconds = 0, .least_seconds_in_role = 0});
  EXPECT_EQ(farm.became.finished.size(), 6u);
  EXPECT_EQ(most, 2) << "a third was begun while two took their room";
}

}  // namespace
}  // namespace wf
