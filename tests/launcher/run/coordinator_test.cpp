// tests/launcher/run/coordinator_test.cpp: what becomes of a run when a report contradicts the schedule. The order of
// reports and orders in a run that goes well is shown by worker_test.cpp and run_mpi_test.cpp.
#include "launcher/run/coordinator.hpp"

#include "tests/launcher/run/agent_pair.hpp"

namespace wf {
namespace {

struct NobodyObserves final : RunObserver {
  void done(std::size_t, const std::string&) override {}
  void failed(std::size_t, const Error&, bool) override {}
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

}  // namespace
}  // namespace wf
