// tests/base/machine_test.cpp: which processes are known to have ended.
#include "base/machine.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

namespace wf {
namespace {

/// The identity of a child process that has ended.
std::string identity_of_a_dead_process() {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string identity = process_identity();
    ::_exit(::write(ends[1], identity.data(), identity.size()) < 0);
  }
  ::waitpid(child, nullptr, 0);
  char text[512];
  const ssize_t size = ::read(ends[0], text, sizeof text);
  ::close(ends[0]);
  ::close(ends[1]);
  return std::string(text, static_cast<std::size_t>(size));
}

TEST(Machine, AProcessThatRunsHasNotEndedAndADeadOneHas) {
  EXPECT_FALSE(has_ended(process_identity()));
  EXPECT_TRUE(has_ended(identity_of_a_dead_process()));
}

TEST(Machine, AProcessThatHasItsNumberFromADeadOneIsAnother) {
  const std::string own = process_identity();
  EXPECT_TRUE(has_ended(own.substr(0, own.rfind(' ')) + " 1")) << "it began at another time";
}

TEST(Machine, AProcessThatCannotBeSeenFromHereIsNotKnownToHaveEnded) {
  const std::string dead = identity_of_a_dead_process();
  const auto kernel_end = dead.find(' '), room_end = dead.find(' ', kernel_end + 1);
  EXPECT_FALSE(has_ended("00000000-0000-0000-0000-000000000000" + dead.substr(kernel_end))) << "of another machine";
  EXPECT_FALSE(has_ended(dead.substr(0, kernel_end) + " pid:[1]" + dead.substr(room_end))) << "of another container";
  for (const char* const unknown : {"", "one", "one two three", "\n"}) EXPECT_FALSE(has_ended(unknown)) << unknown;
}

TEST(Machine, HasANameAndTheIdOfItsKernel) {
  EXPECT_FALSE(host_name().empty());
  EXPECT_EQ(boot_id().size(), 36u) << boot_id();
  EXPECT_EQ(boot_id(), boot_id());
}

}  // namespace
}  // namespace wf
