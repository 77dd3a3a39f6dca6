// jobs/sidecar.hpp: NAME.json beside NAME.mp4: what was asked, how it ran, and what came out. Its presence means: done.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "cluster/files.hpp"
#include "jobs/fingerprint.hpp"
#include "jobs/job.hpp"

namespace wf {

struct Sidecar {
  Job job;
  Recipe recipe;
  std::string fingerprint;
  std::string version;     ///< wanfarm's
  std::string video_file;  ///< name only; lies beside the sidecar
  std::uint64_t video_bytes = 0;
  std::string codec;
  std::map<std::string, std::string> how;  ///< device, attention, threads, guidance mode, host, ...
  std::map<std::string, double> seconds;   ///< by stage: text, high, low, decode, write
  std::string latents_sha256;              ///< of the f32 bytes of [16,t,h,w]
  std::string frames_sha256;               ///< of the raw rgb24 bytes, before encoding
};

std::string to_json(const Sidecar& sidecar);  ///< pretty-printed, ends in a newline
Sidecar sidecar_from(const std::string& json);  ///< throws input when it is none
/// Throws input naming the file when it is not a sidecar.
Sidecar read_sidecar(const Path& file);

}  // namespace wf
