// jobs/output/drafts.hpp: drafts of clips in OUTPUT/drafts: NAME.mp4, a small video of what the high-noise expert
// foresees, and NAME.json, a sidecar whose job and fingerprint are those of the clip. The clip's state in
// .wanfarm/store is what `wanfarm finish` continues from. A draft goes when its clip is finished.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "jobs/output/publish.hpp"

namespace wf {

/// The name in OUTPUT of a file of a draft: "drafts/NAME.mp4" for "NAME.mp4".
std::string draft_file(const std::string& file);

/// Creates the folders that drafts need. Throws Error(storage).
void make_draft_folders(const OutputFolder& folder);

/// Publishes the sidecar of a draft whose video is published. Here, sidecar.video_file is the video's name in OUTPUT,
/// "drafts/NAME.mp4"; in the file it is "NAME.mp4", for a sidecar lies beside its video. Throws Error(storage).
void finish_draft(const OutputFolder& folder, const Sidecar& sidecar);

/// The draft of this name, if its sidecar can be read and its video is whole; with the sidecar's video_file.
std::optional<Sidecar> find_draft(const Path& output, const std::string& name);

/// All such drafts, in the order of their places in the list, then of their names.
std::vector<Sidecar> find_drafts(const Path& output);

}  // namespace wf
