#include "launcher/run/verify.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/sha256.hpp"
#include "base/signals.hpp"
#include "pipeline/video/video_writer.hpp"

namespace wf {
namespace {

std::string check_hash(const Path& output, const Sidecar& sidecar) {
  if (sidecar.file_sha256.empty()) return "";
  return sha256_of_file(output / sidecar.video_file) == sidecar.file_sha256
             ? ""
             : "is not the file that was written: its SHA-256 is not the sidecar's";
}

/// The codec that the sidecar names; empty for one that this version does not know.
std::optional<VideoCodec> codec_of(const Sidecar& sidecar) {
  const auto codec = std::ranges::find(all_codecs, sidecar.codec, [](VideoCodec known) { return to_string(known); });
  return codec == all_codecs.end() ? std::nullopt : std::optional(*codec);
}

/// A video that this build cannot decode must not be taken for a broken one, which would be rendered again.
void check_that_a_decoder_exists(const Sidecar& sidecar) {
  if (const auto codec = codec_of(sidecar); codec && !can_read(*codec))
    throw Error(Error::input, "--verify decode: this build cannot decode " + sidecar.video_file + " (" + sidecar.codec +
                                  "); --verify hash needs no decoder");
}

std::string check_decode(const Path& output, const Sidecar& sidecar) {
  const auto video = read_video(output / sidecar.video_file);
  const auto [width, height] = std::pair(video->info().width, video->info().height);
  const Job& job = sidecar.job;
  if (width != job.width || height != job.height)
    return fmt::format("has pictures of {}x{}, not {}x{}", width, height, job.width, job.height);
  std::vector<std::uint8_t> frame(std::size_t{3} * width * height);
  Sha256 hash;
  int frames = 0;
  for (; video->next(frame); ++frames) hash.update(frame.data(), frame.size());
  if (frames != job.frames) return fmt::format("has {} frames, not {}", frames, job.frames);
  const auto codec = codec_of(sidecar);
  const bool differ = codec && is_lossless(*codec) && hash.hex() != sidecar.frames_sha256;
  return differ ? "does not contain the frames that were rendered" : "";
}

/// The error's message without the file's path in front.
std::string without_path(const Error& error, const Path& file) {
  const std::string what = error.what(), path = file.string() + ": ";
  return what.starts_with(path) ? what.substr(path.size()) : what;
}

/// What the check says. A file that cannot be read or decoded is at fault, too; a lack of memory is not the file's.
template <class Check>
std::string fault_of(const Path& output, const Sidecar& sidecar, const Check& check) {
  if (stop_requested()) return "is not checked, because a signal asked the run to stop";
  try {
    return check(output, sidecar);
  } catch (const Error& error) {
    if (error.kind() != Error::input && error.kind() != Error::storage) throw;
    return without_path(error, output / sidecar.video_file);
  }
}

}  // namespace

FilesCheck files_check(Verify verify) {
  return [verify](const Path& output, const Sidecar& sidecar) {
    std::string fault = check_size(output, sidecar);
    if (fault.empty() && verify >= Verify::hash) fault = fault_of(output, sidecar, check_hash);
    if (verify == Verify::hash && sidecar.file_sha256.empty())
      spdlog::info("{}: only its size is checked, because an older version recorded no hash; --verify decode reads it",
                   sidecar.video_file);
    if (!fault.empty() || verify < Verify::decode) return fault;
    check_that_a_decoder_exists(sidecar);
    return fault_of(output, sidecar, check_decode);
  };
}

}  // namespace wf
