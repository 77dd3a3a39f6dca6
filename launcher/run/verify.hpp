// launcher/run/verify.hpp: how the videos that earlier runs finished are checked before they are kept (--verify).
#pragma once

#include "jobs/output/finished.hpp"
#include "launcher/options/run_options.hpp"

namespace wf {

/// The check that find_finished() makes of each finished clip.
///
///   size     the video is there and has the size that its sidecar records
///   hash     and its SHA-256 is the recorded one; a sidecar of an older version has none, so that is logged and the
///            size has to do
///   decode   and the video decodes without errors to frames of the job's size and number; those of a lossless codec
///            are the frames that were rendered. H.264 and HEVC have no checksums, so that a flipped bit may decode to
///            another picture without an error: only the hash finds it
///
/// The check may be called from any thread. It holds one frame or 1 MiB of a file in memory. After a stop signal it
/// reads no more: the clip then counts as not checked, and the run that was to begin ends at once. Throws Error(input)
/// when a video has to be decoded and this build has no decoder for it.
FilesCheck files_check(Verify verify);

}  // namespace wf
