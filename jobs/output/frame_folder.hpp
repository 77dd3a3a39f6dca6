// jobs/output/frame_folder.hpp: OUTPUT/NAME, the folder of a clip's frames (--png): 00001.png, 00002.png, ... Users may
// keep folders of their own beside the clips, so nothing that bears the name of a clip and holds anything else is
// replaced, copied or removed.
#pragma once

#include <vector>

#include "base/files.hpp"

namespace wf {

/// Whether the path is a folder that holds nothing but frames. An empty folder is one.
bool is_frame_folder(const Path& path);

/// The frames in a folder, whatever else is there; none where the path is no folder.
std::vector<Path> frames_in(const Path& path);

/// Throws Error(input) when something that is no folder of frames is at the path.
void check_frame_folder(const Path& path);

}  // namespace wf
