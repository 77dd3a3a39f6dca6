// tests/launcher/submit/job_size_test.cpp: nodes and time of a job for lists whose forecast is known by reasoning:
// loading takes 100 s, each clip 1000 s of a node.
#include "launcher/submit/job_size.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "tests/text.hpp"

namespace wf {
namespace {

constexpr std::int64_t hour = 3600;

/// Clips are dealt out to nodes of one rank each.
ForecastOnNodes forecast_of(std::size_t clips) {
  return [clips](int nodes) {
    const auto count = static_cast<std::size_t>(nodes);
    return ListForecast{100, 1000, 100 + 1000 * static_cast<double>((clips + count - 1) / count)};
  };
}

SizeRequest request_of(std::size_t clips) {
  return {.nodes = {}, .seconds = {}, .clips = clips, .partition = "gpu", .most_nodes = {}, .most_seconds = {}};
}

JobSize size(const SizeRequest& request) { return size_of_job(request, forecast_of(request.clips)); }

std::string refusal(const SizeRequest& request) {
  try {
    size(request);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::input);
    return error.what();
  }
  ADD_FAILURE() << "accepted";
  return "";
}

TEST(JobSize, WithoutWishesIsOneNodeForAsLongAsItTakes) {
  const JobSize job = size(request_of(10));
  EXPECT_EQ(job.nodes, 1);
  EXPECT_TRUE(fits(job.forecast, job.seconds));
  EXPECT_FALSE(fits(job.forecast, job.seconds - 300)) << "a shorter job would do";
  EXPECT_EQ(job.seconds % 300, 0);
}

TEST(JobSize, OfATimeIsTheFewestNodesThatEndInIt) {
  for (const std::size_t clips : {2, 9, 40, 123}) {
    SizeRequest request = request_of(clips);
    request.seconds = 2 * hour;
    const JobSize job = size(request);
    EXPECT_TRUE(fits(job.forecast, *request.seconds)) << clips;
    if (job.nodes == 1) continue;
    EXPECT_FALSE(fits(forecast_of(clips)(job.nodes - 1), *request.seconds)) << job.nodes << " nodes for " << clips;
  }
}

TEST(JobSize, OfNodesIsTheTimeThatTheyTake) {
  SizeRequest request = request_of(40);
  request.nodes = 4;
  const JobSize job = size(request);
  EXPECT_EQ(job.nodes, 4);
  EXPECT_EQ(job.seconds, 12000);  // 1.1 * 10,100 s, and ten minutes, in steps of five
}

TEST(JobSize, TakesMoreNodesWhereThePartitionEndsJobsTooEarly) {
  SizeRequest request = request_of(40);
  request.most_seconds = 2 * hour;
  const JobSize job = size(request);
  EXPECT_EQ(job.seconds, 2 * hour);
  EXPECT_EQ(job.nodes, 8);  // 5 clips each: 5,610 s with caution, of 6,600; with 7 nodes it would be 6
}

TEST(JobSize, MoreNodesThanThePartitionHasAreRefusedWithBothNumbers) {
  SizeRequest request = request_of(40);
  request.nodes = 12, request.most_nodes = 8;
  EXPECT_EQ(refusal(request), "--nodes 12: a job in partition gpu may have 8 at most");
}

TEST(JobSize, MoreTimeThanThePartitionAllowsIsRefusedWithBothNumbers) {
  SizeRequest request = request_of(40);
  request.seconds = 48 * hour, request.most_seconds = 24 * hour;
  EXPECT_EQ(refusal(request), "--time 2-00:00:00: a job in partition gpu may last 1-00:00:00 at most");
}

TEST(JobSize, ATimeTooShortForOneClipIsRefusedWithTheTimeOfOne) {
  SizeRequest request = request_of(40);
  request.seconds = 1200;
  const std::string text = refusal(request);
  EXPECT_TRUE(contains(text, "00:20:00 is too short for one clip: loading takes 1:40, a clip 16:40")) << text;
  EXPECT_TRUE(contains(text, "--time 00:25:00")) << text;
  request.seconds = 1500, request.clips = 1;
  EXPECT_EQ(size(request).nodes, 1) << "what the message says would do does";
}

TEST(JobSize, AListTooBigForTimeAndNodesIsRefusedWithNumbersThatDo) {
  SizeRequest request = request_of(40);
  request.seconds = 4 * hour, request.nodes = 2;
  const std::string text = refusal(request);
  EXPECT_TRUE(contains(text, "40 clips take 5:35:00 on 2 nodes of 1 rank")) << text;
  EXPECT_TRUE(contains(text, "--nodes 4 does it in this time")) << text;
  EXPECT_TRUE(contains(text, "--time 06:20:00 does on 2 nodes")) << text;
  request.nodes = 4;
  EXPECT_NO_THROW(size(request));
  request.nodes = 2, request.seconds = 6 * hour + 1200;
  EXPECT_NO_THROW(size(request));
}

TEST(JobSize, AListTooBigForAllNodesIsRefusedWithThePartThatFits) {
  SizeRequest request = request_of(100);
  request.seconds = 2 * hour, request.most_nodes = 4, request.most_seconds = 2 * hour;
  const std::string text = refusal(request);
  EXPECT_TRUE(contains(text, "on 4 nodes")) << text;
  EXPECT_FALSE(contains(text, "does it in this time")) << text;
  EXPECT_TRUE(contains(text, "about 23 of the 100 clips")) << text;
}

TEST(JobSize, LongListsArePlannedAFewTimesOnly) {
  SizeRequest request = request_of(5000);
  request.seconds = 4 * hour;
  int asked = 0;
  const auto counting = [&](int nodes) {
    ++asked;
    return forecast_of(request.clips)(nodes);
  };
  EXPECT_GT(size_of_job(request, counting).nodes, 100);
  EXPECT_LE(asked, 22);
}

}  // namespace
}  // namespace wf
