// tests/jobs/list/selection_test.cpp: --only and --limit choose a part of a list.
#include "jobs/list/selection.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace wf {
namespace {

std::vector<Job> five_jobs() {
  std::vector<Job> jobs(5);
  for (int i = 0; i < 5; ++i) jobs[i].index = i + 1;
  for (int i = 0; i < 5; ++i) jobs[i].name = i < 2 ? "rain-" + std::to_string(i) : "snow-" + std::to_string(i);
  return jobs;
}

/// The indices of the selected jobs, without separators.
std::string chosen(const std::string& only, int limit) {
  std::string indices;
  for (const Job& job : select(five_jobs(), only, limit)) indices += std::to_string(job.index);
  return indices;
}

TEST(Selection, TakesIndicesRangesAndNamesInTheListsOrder) {
  EXPECT_EQ(chosen("", 0), "12345");
  EXPECT_EQ(chosen("5,1-2", 0), "125");
  EXPECT_EQ(chosen("rain*", 0), "12");
  EXPECT_EQ(chosen("snow-3,rain-?", 2), "12");
  EXPECT_EQ(chosen("", 3), "123");
}

TEST(Selection, AnItemThatSelectsNoClipIsRefused) {
  EXPECT_THROW(select(five_jobs(), "9", 0), Error);
  EXPECT_THROW(select(five_jobs(), "1,hail*", 0), Error);
}

TEST(Selection, TheErrorSaysWhichNumbersThereAre) {
  std::vector<Job> jobs = five_jobs();
  jobs.erase(jobs.begin() + 1);
  try {
    select(jobs, "2", 0, "draft that is left");
    FAIL() << "clip 2 is not there";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "--only: no draft that is left is '2' (they are numbered 1, 3-5)");
  }
}

TEST(Selection, PlacesAreThoseOfTheWholeList) {
  EXPECT_EQ(selected(five_jobs(), "snow*", 2), (std::vector<std::size_t>{2, 3}));
  EXPECT_EQ(at_places(std::vector<std::string>{"a", "b", "c"}, {0, 2}), (std::vector<std::string>{"a", "c"}));
}

}  // namespace
}  // namespace wf
