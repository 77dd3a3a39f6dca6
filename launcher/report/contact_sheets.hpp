// launcher/report/contact_sheets.hpp: the contact sheets of a run's clips, which were made when the clips were written.
#pragma once

#include <string>

#include "jobs/record/history.hpp"

namespace wf {

/// The contact sheet of a clip as the bytes of a PNG or JPEG file; "" for a clip that is not done. One that is missing,
/// since an older version wrote the clip, is made from the video and kept for the next time. "" and a warning when the
/// video cannot be read.
std::string contact_sheet_file(const Path& output, const ClipHistory& clip);

}  // namespace wf
