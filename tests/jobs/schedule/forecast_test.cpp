// tests/jobs/schedule/forecast_test.cpp: predictions corrected by measurements, and the work left in each role.
#include "jobs/schedule/forecast.hpp"

#include <gtest/gtest.h>

namespace wf {
namespace {

constexpr Role high = Role::high, low = Role::low;

TEST(Forecast, AMeasurementAlsoCorrectsOtherShapes) {
  Forecast forecast;
  const std::array roles = {high, high, low, low, low};
  const std::size_t small = forecast.add_shape({0, 10, 5, 0, 0}, roles),
                    large = forecast.add_shape({0, 100, 50, 0, 0}, roles);
  forecast.add_clips(small, Stage::high, 2);
  forecast.add_clips(large, Stage::high, 3);
  EXPECT_DOUBLE_EQ(forecast.seconds_left(high), 2 * 10 + 3 * 100);
  forecast.add_measurement(small, Stage::high, 20);
  EXPECT_DOUBLE_EQ(forecast.seconds_left(high), 2 * 20 + 3 * 200);
  EXPECT_DOUBLE_EQ(forecast.seconds_left(low), 0);
  forecast.add_clips(small, Stage::high, -2);
  forecast.add_clips(large, Stage::high, -3);
  EXPECT_EQ(forecast.seconds_left(high), 0);
}

TEST(Forecast, OneSlowMeasurementHardlyMovesTheAverage) {
  Forecast forecast;
  const std::size_t shape = forecast.add_shape({0, 10, 5, 0, 0}, {high, high, low, low, low});
  for (int i = 0; i < 100; ++i) forecast.add_measurement(shape, Stage::high, 10);
  forecast.add_measurement(shape, Stage::high, 100);
  forecast.add_clips(shape, Stage::high, 1);
  EXPECT_LT(forecast.seconds_left(high), 12);
}

}  // namespace
}  // namespace wf
