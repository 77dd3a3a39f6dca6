// tests/launcher/report/made_up_run.hpp: runs for reports, from values alone: no journal, no videos.
#pragma once

#include <string>

#include "jobs/record/history.hpp"

namespace wf::test {

/// A clip of the list with that number, from 1, waiting.
ClipHistory made_up_clip(int number, const std::string& prompt);

/// A run that has ended: clips of several sizes that two ranks rendered one after the other, every ninth of them
/// failed.
RunHistory made_up_run(int clips, int ranks = 2);

/// A contact sheet of the clip's proportions, as a file, with about as many bytes as one of real frames.
std::string made_up_sheet(const ClipHistory& clip);

}  // namespace wf::test
