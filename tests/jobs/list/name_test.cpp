// tests/jobs/list/name_test.cpp: default names, seeds in names, and names that users may not choose.
#include "jobs/list/name.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "jobs/list/job_list.hpp"

namespace wf {
namespace {

TEST(Name, IsIndexFirstWordsAndSeed) {
  const std::pair<std::string, std::string> names[] = {
      {"Two anthropomorphic cats in comfy boxing gear", "0001-two-anthropomorphic-cats-s42"},
      {"Rain", "0001-rain-s42"},
      {"It's 5 o'clock: what now?", "0001-its-5-oclock-what-now-s42"},
      {"  --- A/B\\..\\C ---", "0001-a-b-c-s42"},
      {"a b c d e f g h i j k l m n o p q r s t", "0001-a-b-c-d-e-f-g-h-i-j-k-s42"},
      {std::string(90, 'W'), "0001-" + std::string(40, 'w') + "-s42"},
      {"Honey " + std::string(39, 'm'), "0001-honey-s42"},
  };
  for (const auto& [prompt, name] : names) EXPECT_EQ(default_name(1, prompt, 42), name);
  EXPECT_EQ(default_name(12345, "Rain", 0), "12345-rain-s0");
  EXPECT_EQ(default_name(1, "Rain", {}), "0001-rain-s{seed}");
}

TEST(Name, OfAPromptWithoutAsciiLettersHasAHash) {
  const std::string cat = default_name(1, "一只猫", 42), dog = default_name(1, "一只狗", 42),
                    digits = default_name(1, "3 只猫", 42);
  EXPECT_EQ(cat, default_name(1, "一只猫", 42));
  EXPECT_NE(cat, dog);
  for (const std::string& name : {cat, dog, digits}) {
    EXPECT_EQ(name.substr(0, 10), "0001-clip-");
    EXPECT_EQ(name.size(), std::string("0001-clip-3f2a91-s42").size()) << name;
  }
}

TEST(Name, GetsTheSeedWhereItContainsTheMark) {
  EXPECT_TRUE(needs_seed("a-{seed}"));
  EXPECT_FALSE(needs_seed("a-seed"));
  EXPECT_EQ(with_seed("{seed}-a-{seed}", 7), "7-a-7");
}

TEST(Name, ThatCannotBeAFileNameEverywhereIsRefused) {
  for (const std::string name : {"", ".", "..", "../a", "a/b", "a\\b", ".a", "-a", "a\n", "a:b", "a*", "log", "drafts",
                                 "a.mp4", "a.json", "failed.yaml", "a ", "a."})
    EXPECT_THROW(check_name(name), Error) << name;
  EXPECT_THROW(check_name(std::string(201, 'a')), Error);
  for (const std::string& name :
       {std::string("rain"), std::string("v1.2"), std::string("雨"), std::string("a b"), std::string(200, 'a')})
    EXPECT_NO_THROW(check_name(name)) << name;
}

TEST(Name, OfAJobFromFlagsIsTheDefaultName) {
  JobSettings flags;
  flags.seed = JobSettings::Seed{7};
  flags.frames = 5;
  const Job job = make_job("Rain on a window", flags);
  EXPECT_EQ(job.name, "0001-rain-on-a-window-s7");
  EXPECT_EQ(job.frames, 5);
  EXPECT_THROW(make_job(" ", {}), Error);
}

}  // namespace
}  // namespace wf
