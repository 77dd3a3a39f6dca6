// tests/launcher/run/coordinator_test.cpp: what becomes of a run when a report contradicts the schedule. The order of
// reports and orders in a run that goes well is shown by worker_test.cpp and run_mpi_test.cpp.
#include "launcher/run/coordinator.hpp"

#include "tests/launcher/run/agent_pair.hpp"

namespace wf {
namespace {

struct NobodyObserves : RunObserver {
  void done(std::size_t, const std::string&) override {}
  void failed(std::size_t, const Error&, bool) override {}
  void lost(const std::string&, const std::string&) override {}
  void at_work(const std::vector<Activity>&) override {}
};

TEST(Coordinator, AReportThatContradictsTheScheduleEndsAllRanks) {
  AgentPair pair;
  const std::vector<Job> jobs(1);
  const Groups groups{{{0}, {1}}};
  Dispatch dispatch(jobs, {Role::high, Role::high}, [](const Job&, Stage) { return 1.0; }, {});
  NobodyObserves observer;
  pair.transports[1]->send(0, to_bytes(message::Done{.group = 1, .clip = 0, .seconds = {}, .sidecar = "{}"}));
  Coordinator(dispatch, groups, *pair.agents[0], observer).run();
  EXPECT_EQ(pair.ended[0], exit_code(Error::internal));
  EXPECT_TRUE(comes_true([&] { return pair.ended[1] == exit_code(Error::internal); })) << pair.ended[1];
}

/// What the only group that is left gets to do, once group 1 is silent.
TEST(Coordinator, WhenARankIsLostTheOthersTakeItsClips) {
  AgentPair pair(1);
  const std::vector<Job> jobs(2);
  const Groups groups{{{0}, {1}}};
  Dispatch dispatch(jobs, {Role::resident, Role::resident}, [](const Job&, Stage) { return 1.0; }, {});
  struct : NobodyObserves {
    void lost(const std::string& name, const std::string& why) override { said = name + " " + why; }
    std::string said;
  } observer;
  Coordinator coordinator(dispatch, groups, *pair.agents[0], observer);
  const std::jthread dispatching([&] { coordinator.run(); });
  const auto ask = [&](int rank) { pair.agents[static_cast<std::size_t>(rank)]->send(0, message::RequestWork{rank}); };
  ask(0);
  EXPECT_EQ(std::get<message::Assign>(pair.agents[0]->next()).clip, 0u);
  ask(1);
  EXPECT_EQ(std::get<message::Assign>(pair.agents[1]->next()).clip, 1u);
  pair.agents[1].reset();
  pair.agents[0]->send(0, message::Done{0, 0, {}, "{}"});
  ask(0);
  EXPECT_EQ(std::get<message::Assign>(pair.agents[0]->next()).clip, 1u) << "what rank 1 had";
  EXPECT_NE(observer.said.find("rank 1 (node two) has not been heard of for 1 s"), std::string::npos) << observer.said;
  EXPECT_TRUE(pair.agents[0]->has_lost_ranks());
  pair.agents[0]->send(0, message::Done{0, 1, {}, "{}"});
  ask(0);
  EXPECT_TRUE(std::holds_alternative<message::NoMoreWork>(pair.agents[0]->next()));
  EXPECT_EQ(pair.ended[0], -1);
}

TEST(Coordinator, ALossBeforeAllRanksHaveBegunEndsTheRun) {
  AgentPair pair(1);
  const std::vector<Job> jobs(2);
  const Groups groups{{{0}, {1}}};
  Dispatch dispatch(jobs, {Role::resident, Role::resident}, [](const Job&, Stage) { return 1.0; }, {});
  NobodyObserves observer;
  Coordinator coordinator(dispatch, groups, *pair.agents[0], observer);
  const std::jthread dispatching([&] { coordinator.run(); });
  pair.agents[0]->send(0, message::RequestWork{0});
  pair.agents[1].reset();
  EXPECT_TRUE(comes_true([&] { return pair.ended[0] == 1; })) << "rank 0 may wait for rank 1 while both load";
  coordinator.abandon();
}

}  // namespace
}  // namespace wf
