// tests/pipeline/weights/error_message.hpp: the message of the environment error that an action throws.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/error.hpp"

namespace wf::made {

/// The message of the environment error that `action` throws; any other outcome fails the test.
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

/// Expects that `message` contains `part`.
#define EXPECT_CONTAINS(message, part) \
  EXPECT_NE(std::string(message).find(part), std::string::npos) << "the message is: " << (message)

}  // namespace wf::made
