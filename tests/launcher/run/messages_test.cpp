// tests/launcher/run/messages_test.cpp: messages between ranks survive the wire, and foreign bytes are refused.
#include "launcher/run/messages.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "launcher/run/run_spec.hpp"

namespace wf {
namespace {

template <class Kind>
Kind sent_and_read(const Kind& message) {
  return std::get<Kind>(to_message(to_bytes(message)));
}

TEST(Messages, ArriveAsTheyWereWritten) {
  message::Heartbeat beat;
  beat.activity = {"clip \u00e4", Stage::low, 3, 40};
  beat.work = {{7, "clip", "low", 12}};
  beat.stop = true;
  const auto heartbeat = sent_and_read(beat);
  EXPECT_EQ(heartbeat.activity, (Activity{"clip \u00e4", Stage::low, 3, 40}));
  EXPECT_EQ(heartbeat.work, (std::vector<WorkUnderWay>{{7, "clip", "low", 12}}));
  EXPECT_TRUE(heartbeat.stop);
  const auto done = sent_and_read(message::Done{2, 100'000, {1, 2, 3, 4, 0.5}, "{\"a\": 1}"});
  EXPECT_EQ(done.group, 2);
  EXPECT_EQ(done.clip, 100'000u);
  EXPECT_EQ(done.seconds, (SecondsByStage{1, 2, 3, 4, 0.5}));
  EXPECT_EQ(done.sidecar, "{\"a\": 1}");
  EXPECT_EQ(sent_and_read(message::Assign{7, Stage::low, Stage::write, 3}).holder, 3);
  EXPECT_EQ(sent_and_read(message::PrefetchHint{{7, Stage::low, 3}}).stashed, (StashedState{7, Stage::low, 3}));
  EXPECT_EQ(sent_and_read(message::StateChunk{7, 16, 40, {0, 255, 10}}).bytes, (Bytes{0, 255, 10}));
  EXPECT_TRUE(sent_and_read(message::StateChunk{7, 16, 40, {}}).bytes.empty());
  EXPECT_EQ(sent_and_read(message::ChangeRole{Role::low, {3, -1}}).peers, (std::vector{3, -1}));
  EXPECT_EQ(sent_and_read(message::RequestWeights{7, Role::low}).role, Role::low);
  EXPECT_EQ(sent_and_read(message::WeightHandles{7, {0, 255, 10}}).handles, (Bytes{0, 255, 10}));
  sent_and_read(message::Begin{});
  sent_and_read(message::Refused{});
}

TEST(Messages, OfAnotherProgramAreRefused) {
  const Bytes whole = to_bytes(message::RequestWork{1});
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_THROW(to_message(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))), Error) << size;
  EXPECT_THROW(to_message({1, 0, 0, 0, 0x80}), Error) << "an object without members";
}

TEST(Activity, IsShownWithItsStepWhereItHasSeveral) {
  EXPECT_EQ(to_string(Activity{}), "waiting");
  EXPECT_EQ(to_string(Activity{"a", Stage::high, 3, 40}), "a high 3/40");
  EXPECT_EQ(to_string(Activity{"a", Stage::decode, 0, 1}), "a decode");
}

TEST(RunSpec, ArrivesAsItWasDecided) {
  RunSpec start;
  start.jobs.resize(2);
  start.jobs[1].prompt = "a \"kite\"\n";
  start.jobs[1].seed = 7;
  start.model = {.from = "/models/a", .vae = "/v", .loras = {{"/a", "/b", 0.8, 1}}};
  start.output = "/renders", start.model_id = "id", start.nonce = "word";
  start.plan.mode = PlacementMode::pipeline;
  start.plan.degrees = {2, 3, 1};
  start.plan.pools = {{"high", {Stage::high}, 5}, {"low", {Stage::text, Stage::low, Stage::decode}, 3}};
  start.plan.text = TextPlace::upfront;
  start.plan.guidance = GuidanceMode::batched;
  start.plan.offload_expert_for_decode = true;
  start.plan.split_decode = true;
  start.finished = {1};
  start.stopped = true;
  const RunSpec read = run_spec_from(packed(start));
  EXPECT_EQ(read.model, start.model);
  EXPECT_EQ(read.jobs.size(), 2u);
  EXPECT_EQ(read.jobs[1].prompt, start.jobs[1].prompt);
  EXPECT_EQ(read.jobs[1].seed, start.jobs[1].seed);
  EXPECT_EQ(describe(read.plan), describe(start.plan));
  EXPECT_EQ(read.plan.pools[1].stages, start.plan.pools[1].stages);
  EXPECT_EQ(read.plan.text, TextPlace::upfront);
  EXPECT_EQ(read.plan.guidance, GuidanceMode::batched);
  EXPECT_TRUE(read.plan.offload_expert_for_decode);
  EXPECT_TRUE(read.plan.split_decode);
  EXPECT_EQ(read.finished, start.finished);
  EXPECT_TRUE(read.stopped);
  EXPECT_EQ(packed(read), packed(start));
  EXPECT_THROW(run_spec_from("{}"), Error);
}

// A path is any bytes but zero, and the ranks have to open the very path that rank 0 names.
TEST(RunSpec, APathThatIsNotUtf8Arrives) {
  RunSpec start;
  start.model = {.from = "/models/\xff", .vae = "/\xc3(", .loras = {{"/\xff", ""}}};
  start.output = "/renders/\xc3(";
  const auto sent = sent_and_read(message::Start{packed(start)});
  EXPECT_EQ(run_spec_from(sent.run).model, start.model);
  EXPECT_EQ(run_spec_from(sent.run).output, start.output);
}

TEST(Messages, ErrorsThatNameAPathThatIsNotUtf8Arrive) {
  EXPECT_EQ(sent_and_read(message::Failed{0, 1, Error::storage, "out\xff: full"}).what, "out\xff: full");
  EXPECT_EQ(sent_and_read(message::Ready{Error::storage, "out\xff: full"}).problem, "out\xff: full");
  EXPECT_EQ(sent_and_read(message::Abort{5, "out\xff: full"}).why, "out\xff: full");
}

}  // namespace
}  // namespace wf
