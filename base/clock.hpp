// base/clock.hpp: what time it is.
#pragma once

#include <string>

namespace wf {

/// Unix time in seconds.
double unix_time();
/// Seconds of a clock that never goes back. Only differences mean anything.
double steady_time();
/// A Unix time in this machine's time zone, as strftime() formats it.
std::string local_time(double time, const char* format);

}  // namespace wf
