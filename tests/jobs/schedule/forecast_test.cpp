// tests/launcher/forecast_test.cpp: predictions, corrected by what was measured, and the work left by role.
#include "launcher/forecast.hpp"

#include <gtest/gtest.h>

namespace wf {
namespace {

constexpr Role high = Role::high, low = Role::low;

TEST(Forecast, WhatWasMeasuredAlsoCorrectsOtherShapes) {
  Forecast forecast;
  const std::array roles = {high, high, low, low, low};
  const std::size_t small = forecast.add_shape({0, 10, 5, 0, 0}, roles),
                    large = forecast.add_shape({0, 100, 50, 0, 0}, roles);
  forecast.add_left(small, Stage::high, 2);
  forecast.add_left(large, Stage::high, 3);
  EXPECT_DOUBLE_EQ(forecast.left(high), 320);
  forecast.measured(small, Stage::high, 20);
  EXPECT_DOUBLE_EQ(forecast.seconds(large, Stage::high), 200);
  EXPECT_DOUBLE_EQ(forecast.left(high), 640);
  EXPECT_DOUBLE_EQ(forecast.left(low), 0);
  forecast.add_left(small, Stage::high, -2);
  forecast.add_left(large, Stage::high, -3);
  EXPECT_EQ(forecast.left(high), 0);
}

TEST(Forecast, OneSlowGroupHardlyMovesTheAverage) {
  Forecast forecast;
  const std::size_t shape = forecast.add_shape({0, 10, 5, 0, 0}, {high, high, low, low, low});
  for (int i = 0; i < 100; ++i) forecast.measured(shape, Stage::high, 10);
  forecast.measured(shape, Stage::high, 100);
  EXPECT_LT(forecast.seconds(shape, Stage::high), 12);
}

}  // namespace
}  // namespace wf
