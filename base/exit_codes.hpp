// base/exit_codes.hpp: exit codes that several folders know. Those of errors are in base/error.hpp.
#pragma once

namespace wf {

/// A run, or a conversion, that was asked to stop and can go on: the same command does that.
constexpr int stopped_with_work_left = 75;

}  // namespace wf
