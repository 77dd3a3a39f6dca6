// launcher/preview/frames.hpp: the four frames that stand for a clip.
#pragma once

#include <vector>

#include "jobs/record/history.hpp"
#include "pipeline/video/picture.hpp"

namespace wf {

/// The four frames of a video in the order of time and all of one size: the first one, that at a third, the middle one
/// and the last one. Throws Error(input), as read_video() does.
std::vector<Picture> frames_of_video(const Path& video);

/// The same of a finished clip: those of the contact sheet that was made with it, which takes no time, or else of its
/// video. Throws Error(input).
std::vector<Picture> frames_of_clip(const Path& output, const ClipHistory& clip);

}  // namespace wf
