// launcher/report/cards.hpp: the clips of a report: a card each.
#pragma once

#include <functional>
#include <string>

#include "jobs/record/history.hpp"

namespace wf {

/// The contact sheet of a clip as the bytes of a PNG or JPEG file, or "".
using SheetOf = std::function<std::string(const ClipHistory& clip)>;

/// The section with all clips in the order of the list. folder: where the report will be, for its links to the videos.
std::string clips_section(const RunHistory& history, const Path& folder, const SheetOf& sheet_of);

}  // namespace wf
