// tests/pipeline/weights/error_message.hpp: the message of the error that an action throws.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/error.hpp"

namespace wf::made {

/// The message of the error of this kind that `action` throws; any other outcome fails the test.
template <class Action>
std::string error_of(Error::Kind kind, Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error was thrown";
  return "";
}

template <class Action>
std::string environment_error(Action&& action) {
  return error_of(Error::environment, action);
}

template <class Action>
std::string input_error(Action&& action) {
  return error_of(Error::input, action);
}

/// Expects that `message` contains `part`.
#define EXPECT_CONTAINS(message, part) \
  EXPECT_NE(std::string(message).find(part), std::string::npos) << "the message is: " << (message)

}  // namespace wf::made
