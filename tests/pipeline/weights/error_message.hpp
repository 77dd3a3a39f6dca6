// tests/pipeline/weights/said.hpp: what an error says.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "cluster/error.hpp"

namespace wf::made {

/// The message of the environment error that `action` throws; another outcome fails the test.
template <class Action>
std::string environment_error(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::environment) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error was thrown";
  return "";
}

#define EXPECT_SAYS(message, words) \
  EXPECT_NE(std::string(message).find(words), std::string::npos) << "it says: " << (message)

}  // namespace wf::made
