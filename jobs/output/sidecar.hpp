// jobs/output/sidecar.hpp: NAME.json next to NAME.mp4: what was asked for, how it was rendered, and what came out.
// Where a sidecar exists, its clip is done.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "jobs/job.hpp"
#include "jobs/output/fingerprint.hpp"

namespace wf {

/// Which files a clip's model consisted of, for people: what counts is Recipe::model_id.
struct ModelRecord {
  /// One LoRA, and how strongly it was merged into each expert; empty: not into this one.
  struct Lora {
    std::string file;      ///< Name without a folder.
    std::string identity;  ///< lora_identity() (pipeline/weights/model_files.hpp).
    std::optional<double> high, low;
    bool operator==(const Lora&) const = default;
  };
  std::map<std::string, std::string> parts;  ///< Names without folders, by "high", "low", "text", "vae", "tokenizer".
  std::vector<Lora> loras;
  bool operator==(const ModelRecord&) const = default;
};

struct Sidecar {
  Job job;
  Recipe recipe;
  std::string fingerprint;
  std::string version;     ///< Version of wanfarm.
  std::string video_file;  ///< Name without a folder: the video is in the sidecar's folder.
  std::uint64_t video_bytes = 0;
  std::string codec;
  /// Device, attention, threads, guidance mode, host name and so on. The file has what saved forwards beside it, which
  /// `job` tells: step_cache, guidance_interval, and as lists of steps, 0 for the first, skipped_conditional,
  /// skipped_unconditional and unguided.
  std::map<std::string, std::string> how;
  ModelRecord model;                      ///< `how.model` of the file. Empty in a sidecar that an older version wrote.
  std::map<std::string, double> seconds;  ///< By stage: text, high, low, decode, write.
  std::string latents_sha256;             ///< Of the f32 bytes of the latents [16, t, h, w].
  std::string frames_sha256;              ///< Of the raw rgb24 bytes of the frames, before encoding.
  std::string file_sha256 = {};           ///< Of the video file. Empty in a sidecar that an older version wrote.
};

/// The sum over all stages.
double total_seconds(const std::map<std::string, double>& seconds);

/// The sidecar as indented JSON that ends in a newline.
std::string to_json(const Sidecar& sidecar);
/// The inverse of to_json(). Throws Error(input) when the text is not a sidecar.
Sidecar sidecar_from(const std::string& json);
/// Reads a sidecar from its file. Throws Error(input) that names the file when its content is not a sidecar.
Sidecar read_sidecar(const Path& file);

}  // namespace wf
