// tests/jobs/record/metrics_test.cpp: metrics.prom as a strict reader of Prometheus' text format takes it.
#include "jobs/record/metrics.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <regex>
#include <set>
#include <sstream>

namespace wf {
namespace {

struct Sample {
  std::map<std::string, std::string> labels;
  double value = 0;
};

/// Reads the text and reports whatever the format's specification does not allow, or promtool warns of.
class Exposition {
 public:
  explicit Exposition(const std::string& text) {
    EXPECT_TRUE(text.ends_with('\n'));
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) line.starts_with("#") ? comment(line) : sample(line);
    for (const auto& [metric, type] : types_)
      if (type == "histogram") check_histogram(metric);
  }

  const std::vector<Sample>& of(const std::string& name) const {
    static const std::vector<Sample> none;
    const auto found = samples_.find(name);
    return found == samples_.end() ? none : found->second;
  }
  /// The only sample with that label, or the only one.
  double value(const std::string& name, const std::string& key = "", const std::string& value = "") const {
    std::vector<double> values;
    for (const Sample& sample : of(name))
      if (key.empty() || (sample.labels.contains(key) && sample.labels.at(key) == value))
        values.push_back(sample.value);
    EXPECT_EQ(values.size(), 1u) << name;
    return values.empty() ? std::numeric_limits<double>::quiet_NaN() : values[0];
  }

 private:
  /// HELP, then TYPE, once for each metric.
  void comment(const std::string& line) {
    static const std::regex help("# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) \\S.*"),
        type("# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)");
    std::smatch match;
    if (std::regex_match(line, match, help)) {
      metric_ = match[1];
      EXPECT_TRUE(helped_.insert(metric_).second) << "described twice: " << line;
    } else if (std::regex_match(line, match, type)) {
      EXPECT_EQ(match[1], metric_) << "TYPE does not follow its HELP";
      EXPECT_TRUE(types_.emplace(match[1], match[2]).second) << line;
      EXPECT_EQ(metric_.ends_with("_total"), match[2] == "counter") << line;
    } else {
      ADD_FAILURE() << line;
    }
  }

  void sample(const std::string& line) {
    static const std::regex form("([a-zA-Z_:][a-zA-Z0-9_:]*)(\\{(.*)\\})? (-?[0-9.]+(e[-+]?[0-9]+)?|[+-]Inf|NaN)");
    std::smatch match;
    ASSERT_TRUE(std::regex_match(line, match, form)) << line;
    const std::string name = match[1];
    ASSERT_TRUE(types_.contains(metric_)) << line;
    if (types_[metric_] == "histogram")
      EXPECT_TRUE(name == metric_ + "_bucket" || name == metric_ + "_sum" || name == metric_ + "_count") << line;
    else
      EXPECT_EQ(name, metric_) << "not below its TYPE";
    EXPECT_TRUE(series_.insert(name + match[2].str()).second) << "a series twice: " << line;
    samples_[name].push_back({labels(match[3]), std::stod(match[4])});
  }

  static std::map<std::string, std::string> labels(std::string text) {
    static const std::regex first("([a-zA-Z_][a-zA-Z0-9_]*)=\"((?:[^\"\\\\]|\\\\[\\\\\"n])*)\"(,?)");
    std::map<std::string, std::string> labels;
    std::smatch match;
    while (std::regex_search(text, match, first, std::regex_constants::match_continuous)) {
      EXPECT_TRUE(labels.emplace(match[1], unescaped(match[2])).second) << match[1];
      text = match.suffix();
    }
    EXPECT_EQ(text, "") << "no label";
    return labels;
  }

  static std::string unescaped(const std::string& text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\\') {
        result += text[i];
        continue;
      }
      ++i;
      result += text[i] == 'n' ? '\n' : text[i];
    }
    return result;
  }

  /// Buckets rise, and the last one, +Inf, holds all.
  void check_histogram(const std::string& metric) const {
    std::map<std::map<std::string, std::string>, std::vector<Sample>> series;
    for (Sample bucket : of(metric + "_bucket")) {
      const double bound = std::stod(bucket.labels.at("le"));
      auto labels = bucket.labels;
      labels.erase("le");
      auto& below = series[labels];
      if (!below.empty()) {
        EXPECT_GE(bucket.value, below.back().value);
        EXPECT_GT(bound, std::stod(below.back().labels.at("le")));
      }
      below.push_back(bucket);
    }
    EXPECT_EQ(series.size(), of(metric + "_sum").size());
    for (const Sample& count : of(metric + "_count")) {
      ASSERT_TRUE(series.contains(count.labels));
      EXPECT_EQ(series[count.labels].back().labels.at("le"), "+Inf");
      EXPECT_EQ(series[count.labels].back().value, count.value);
    }
  }

  std::string metric_;
  std::set<std::string> helped_, series_;
  std::map<std::string, std::string> types_;
  std::map<std::string, std::vector<Sample>> samples_;
};

RunMetrics some_metrics() {
  RunMetrics metrics{.version = "1.2", .output = "/data/\"a\\b\"\nc", .started = 1764403200.5};
  metrics.clips = {{"done", 3}, {"failed", 1}, {"waiting", 100'000}};
  metrics.steps = 123'456'789;
  metrics.stages["high"].add(0.1);
  metrics.stages["high"].add(2);
  metrics.stages["high"].add(1e6);
  metrics.stages["low"];
  metrics.eta_seconds = 12.5;
  metrics.ranks = {{"n1", true}, {"n2", false}};
  metrics.ranks_lost = 1;
  metrics.attempts_failed = {{"resource", 2}, {"input", 0}};
  return metrics;
}

TEST(Metrics, AreWhatAStrictReaderAccepts) {
  const Exposition read(prometheus_text(some_metrics()));
  EXPECT_EQ(read.value("wanfarm_clips", "state", "waiting"), 100'000);
  for (const Sample& sample : read.of("wanfarm_clips")) EXPECT_EQ(sample.labels.at("output"), "/data/\"a\\b\"\nc");
}

TEST(Metrics, HoldTheFiguresOfTheRun) {
  RunMetrics metrics = some_metrics();
  metrics.output = "/data/renders";
  const Exposition read(prometheus_text(metrics));
  EXPECT_EQ(read.value("wanfarm_build_info", "version", "1.2"), 1);
  EXPECT_EQ(read.value("wanfarm_run_start_time_seconds"), 1764403200.5);
  EXPECT_EQ(read.value("wanfarm_clips", "state", "failed"), 1);
  EXPECT_EQ(read.value("wanfarm_steps_total"), 123'456'789);
  EXPECT_EQ(read.value("wanfarm_stage_seconds_sum", "stage", "high"), 1'000'002.1);
  EXPECT_EQ(read.value("wanfarm_stage_seconds_count", "stage", "high"), 3);
  EXPECT_EQ(read.value("wanfarm_stage_seconds_count", "stage", "low"), 0);
  EXPECT_EQ(read.value("wanfarm_eta_seconds"), 12.5);
  EXPECT_EQ(read.value("wanfarm_rank_busy", "rank", "0"), 1);
  EXPECT_EQ(read.value("wanfarm_rank_busy", "node", "n2"), 0);
  EXPECT_EQ(read.value("wanfarm_ranks_lost_total"), 1);
  EXPECT_EQ(read.value("wanfarm_attempts_failed_total", "kind", "resource"), 2);
  EXPECT_TRUE(read.of("wanfarm_exit_code").empty());
  for (const Sample& sample : read.of("wanfarm_clips")) EXPECT_EQ(sample.labels.at("output"), "/data/renders");
}

TEST(Metrics, WhatIsNotKnownIsLeftOut) {
  RunMetrics metrics = some_metrics();
  metrics.eta_seconds.reset();
  metrics.exit_code = 75;
  const Exposition read(prometheus_text(metrics));
  EXPECT_TRUE(read.of("wanfarm_eta_seconds").empty());
  EXPECT_EQ(read.value("wanfarm_exit_code"), 75);
}

TEST(StageHistogram, ABoundBelongsToItsBucket) {
  StageHistogram histogram;
  for (const double seconds : {0.0, 0.1, 0.11, 10.0, 10'000.0, 10'001.0}) histogram.add(seconds);
  const auto counts = histogram.cumulative();
  EXPECT_EQ(counts.front(), 2u) << "<= 0.1";
  EXPECT_EQ(counts[1], 3u) << "<= 0.3";
  EXPECT_EQ(counts[4], 4u) << "<= 10";
  EXPECT_EQ(counts[counts.size() - 2], 5u);
  EXPECT_EQ(counts.back(), 6u);
}

TEST(StepCounter, CountsEachStepOnce) {
  StepCounter counter;
  for (const int step : {0, 3, 2, 3, 7}) counter.at("a", step);  // two ranks share it, one a step behind
  EXPECT_EQ(counter.total(), 7);
  counter.done("a", 20);
  EXPECT_EQ(counter.total(), 20) << "the rest was not seen";
  counter.at("resumed", 15);
  counter.at("resumed", 18);
  EXPECT_EQ(counter.total(), 23);
  counter.done("resumed", 5);
  EXPECT_EQ(counter.total(), 25);
  counter.done("never seen", 4);
  EXPECT_EQ(counter.total(), 29);
}

TEST(StepCounter, StepsOfAFailedAttemptWereComputedToo) {
  StepCounter counter;
  counter.at("a", 0);
  counter.at("a", 6);
  counter.ended("a");
  counter.at("a", 0);
  counter.at("a", 2);
  counter.done("a", 10);
  EXPECT_EQ(counter.total(), 16);
}

}  // namespace
}  // namespace wf
