// tests/launcher/run/many_clips_mpi_test.cpp: a list of many short clips on four ranks, each a group as on a node of
// its own. Messages, dispatch, journal, tables and published files are those of a run; the stages take no time and make
// a few bytes. What a clip costs must not depend on how many there are, so everything is counted, and only shown in
// seconds. WF_CLIPS=2500,5000,10000 runs lists of other lengths, WF_FOLDER=FOLDER on another disk.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "base/log.hpp"
#include "base/text.hpp"
#include "cluster/mpi_transport.hpp"
#include "jobs/output/fingerprint.hpp"
#include "jobs/output/finished.hpp"
#include "jobs/record/history.hpp"
#include "jobs/record/run_info.hpp"
#include "launcher/run/run_control.hpp"
#include "launcher/run/run_journal.hpp"
#include "launcher/run/run_records.hpp"
#include "launcher/run/worker.hpp"
#include "parallel/mpi_communicator.hpp"
#include "tests/mpi_main.hpp"
#include "tests/text.hpp"

namespace wf {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

const Recipe recipe{"model", "exact"};

struct List {
  explicit List(std::size_t clips) : jobs(clips) {
    for (std::size_t i = 0; i < clips; ++i) {
      jobs[i].index = static_cast<int>(i + 1);
      jobs[i].prompt = "number " + std::to_string(i + 1);
      jobs[i].name = "clip-" + std::to_string(i + 1);
      jobs[i].seed = 42;
      fingerprints.push_back(fingerprint(jobs[i], recipe));
    }
  }
  std::vector<Job> jobs;
  std::vector<std::string> fingerprints;
};

/// Publishes what PipelineWork does, without having computed anything.
class NullWork final : public GroupWork {
 public:
  NullWork(const List& list, const Path& output) : list_(list), folder_(output) {}

  void take_role(Role, const WeightPeer*) override {}
  WeightLease lease(Role) override { return {}; }
  bool is_shared(Stage) const override { return false; }
  bool left_by_group() const override { return true; }
  void begin(std::size_t clip, const Bytes*, Earlier earlier) override {
    clip_ = clip;
    EXPECT_EQ(earlier, Earlier::nothing) << "each clip is begun once";
  }
  bool advance(Stage, const std::function<void()>& nearly_done) override {
    if (nearly_done) nearly_done();
    return true;
  }
  SecondsByStage seconds() const override { return {}; }
  std::function<Bytes()> stash() override { return {}; }
  std::function<FinishedClip()> finish() override {
    return [this, clip = clip_] { return FinishedClip{{}, to_json(publish(clip))}; };
  }
  void store(std::size_t, const Bytes&) override { ADD_FAILURE() << "nothing was stopped"; }

 private:
  Sidecar publish(std::size_t clip) const {
    const Job& job = list_.jobs[clip];
    const std::string video = job.name + ".y4m";
    std::ofstream(folder_.part(video)) << "a video";
    const FileDigest digest = folder_.publish_video(video, Earlier::nothing);
    write_in_place(folder_.contact_sheet(list_.fingerprints[clip], "jpg"), "a sheet");
    Sidecar sidecar;
    sidecar.job = job;
    sidecar.recipe = recipe;
    sidecar.fingerprint = list_.fingerprints[clip];
    sidecar.video_file = video;
    sidecar.video_bytes = digest.bytes;
    sidecar.codec = "y4m";
    folder_.finish(sidecar, Earlier::nothing);
    return sidecar;
  }

  const List& list_;
  OutputFolder folder_;
  std::size_t clip_ = 0;
};

/// Counts the messages that a rank sends, but for those that its clock sends.
class CountingTransport final : public Transport {
 public:
  explicit CountingTransport(std::unique_ptr<Transport> transport) : transport_(std::move(transport)) {}
  int rank() const override { return transport_->rank(); }
  int size() const override { return transport_->size(); }
  void send(int to, SharedBytes bytes) override {
    if (!std::holds_alternative<message::Heartbeat>(to_message(*bytes))) ++messages;
    transport_->send(to, std::move(bytes));
  }
  void forget(int rank) override { transport_->forget(rank); }
  std::optional<Packet> receive() override { return transport_->receive(); }
  bool is_carrying() const override { return transport_->is_carrying(); }
  bool flush(std::chrono::milliseconds deadline) override { return transport_->flush(deadline); }
  std::atomic<std::int64_t> messages = 0;

 private:
  std::unique_ptr<Transport> transport_;
};

/// What all ranks did together, known to all.
struct Cost {
  double seconds = 0;
  std::int64_t messages = 0;
  std::int64_t operations = 0;  ///< files opened, flushed, renamed; folders flushed
};

/// Rank 0's part of the run.
void lead(const List& list, const RunFolder& folder, RankAgent& agent, const Groups& groups, Worker& worker) {
  const std::map<std::size_t, Sidecar> none_finished;
  const std::multimap<std::size_t, std::size_t> no_copies;
  const std::vector<std::string> nodes(4, "node");
  RunOptions options;
  options.quiet = true;
  const auto predicted = [](const Job&, Stage) { return 0.001; };
  RunRecords records({.jobs = list.jobs,
                      .folder = folder,
                      .finished = none_finished,
                      .copies = no_copies,
                      .options = options,
                      .groups = groups,
                      .nodes = nodes},
                     predicted);
  RunJournal journal({.output = folder.output(),
                      .jobs = list.jobs,
                      .fingerprints = list.fingerprints,
                      .command_id = "",
                      .ranks = 4,
                      .standing = [&records](const auto& ranks) { return records.standing(ranks); }},
                     records);
  write_clip_list(folder.output(), list.jobs, list.fingerprints);
  RunInfo info;
  info.epoch = journal.epoch();
  write_run_info(folder.output(), info);
  Dispatch dispatch(list.jobs, std::vector<Role>(4, Role::resident), predicted);
  RunControl control(folder.output(), list.jobs);
  Coordinator coordinator(dispatch, groups, agent, journal, [&control](Taken taken) { return control.take(taken); });
  {
    const std::jthread dispatching([&coordinator] { coordinator.run(); });
    worker.run();
  }
  EXPECT_EQ(records.summary(0).done, list.jobs.size());
  journal.ended(0, "");
}

/// What rank 0 writes every few seconds, however many clips there are.
bool is_by_the_clock(const std::string& path) {
  for (const char* const name : {"journal.jsonl", "status.json", "metrics.prom"})
    if (contains(path, name)) return true;
  return false;
}

/// What commands on the folder take afterwards, on rank 0.
void read_again(const List& list, const Path& output) {
  const auto begin = Clock::now();
  const FinishedClips finished = find_finished(output, list.jobs, list.fingerprints);
  const double start = seconds_since(begin);
  const auto then = Clock::now();
  const RunHistory history = read_history(output);
  std::printf("%6zu clips: found again in %.2f s, their history read in %.2f s\n", list.jobs.size(), start,
              seconds_since(then));
  EXPECT_EQ(finished.found.size(), list.jobs.size());
  EXPECT_EQ(count_clips(history, ClipState::done), list.jobs.size());
}

Cost cost_of(std::size_t clips, const Path& output) {
  const List list(clips);
  const std::unique_ptr<Communicator> ranks = mpi_communicator(test_world());
  const bool leads = test_world().rank() == 0;
  std::optional<RunFolder> folder;
  if (leads) folder.emplace(output);
  ranks->barrier();
  std::atomic<std::int64_t> operations = 0;
  inject_file_faults([&](FileStep step, const Path& path) {
    if (step != FileStep::write && !is_by_the_clock(path.string())) ++operations;
    return 0;
  });
  CountingTransport transport(mpi_transport(test_world()));
  const Groups groups = make_groups(std::vector<std::string>(4, "node"), 1);
  const auto begin = Clock::now();
  {
    RankAgent agent(transport, {.hosts = {}, .end_process = [](int code) { std::_Exit(code); }});
    NullWork work(list, output);
    Worker worker(groups, agent, work);
    if (leads) {
      lead(list, *folder, agent, groups, worker);
    } else {
      worker.run();
      agent.say_farewell("");
    }
  }
  const double seconds = seconds_since(begin);
  inject_file_faults({});
  const at::Tensor own = at::tensor({transport.messages.load(), operations.load()}).view({1, 2});
  const at::Tensor all = ranks->all_gather(own, {1, 1, 1, 1}).sum(0);
  if (leads) read_again(list, output);
  return {seconds, all[0].item<std::int64_t>(), all[1].item<std::int64_t>()};
}

/// A folder that all ranks of this program know and nobody else.
Path new_folder() {
  const char* const set = std::getenv("WF_FOLDER");
  return set ? Path(set) : std::filesystem::temp_directory_path() / ("wanfarm-many-" + std::to_string(::getppid()));
}

TEST(ManyClipsOnRanks, CostAsManyMessagesAndFileOperationsEachAsFewClipsDo) {
  spdlog::set_level(spdlog::level::warn);  // not a line for each clip
  const char* const set = std::getenv("WF_CLIPS");
  const Path folder = new_folder();
  std::vector<double> messages, operations;
  for (const std::string& text : split_at_commas(set ? set : "250,1000")) {
    const auto clips = std::stoul(text);
    const Cost cost = cost_of(clips, folder / text);
    messages.push_back(static_cast<double>(cost.messages) / static_cast<double>(clips));
    operations.push_back(static_cast<double>(cost.operations) / static_cast<double>(clips));
    if (test_world().rank() == 0)
      std::printf("%6zu clips: %.2f s, %.2f ms a clip; %.3f messages and %.3f file operations a clip\n", clips,
                  cost.seconds, 1000 * cost.seconds / static_cast<double>(clips), messages.back(), operations.back());
  }
  mpi_communicator(test_world())->barrier();
  if (test_world().rank() == 0) std::filesystem::remove_all(folder);
  EXPECT_LE(messages.back(), 4.1) << "RequestWork, Assign, NearlyIdle, Done";
  EXPECT_LE(operations.back(), 7.3) << "beside the creation of the video";
  EXPECT_LE(messages.back(), messages.front() * 1.01);
  EXPECT_LE(operations.back(), operations.front() * 1.01);
}

}  // namespace
}  // namespace wf
