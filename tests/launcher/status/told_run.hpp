// tests/launcher/status/told_run.hpp: a run of six clips on three ranks, told by its events, without a folder.
#pragma once

#include <string>

#include "jobs/record/history.hpp"

namespace wf::test {

/// Unix time of the run's start: 14:03:20 UTC on 29 November 2026.
constexpr double start = 1795961000;
/// When the run is looked at.
constexpr double now = start + 1000;

/// Clips 0001-kite to 0006-kite: the first is done, the second was found, the third runs, the fourth has failed, the
/// fifth was set aside after rank 2 was lost, the sixth waits.
RunHistory told_run();

/// The same, ended with that exit code.
RunHistory ended_run(int code);

}  // namespace wf::test
