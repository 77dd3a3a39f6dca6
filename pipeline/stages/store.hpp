// pipeline/stages/store.hpp: tensors that outlive the process, in HDF5 files. A file is written under another name,
// flushed and renamed, so that it appears complete or not at all and replaces an old one only then. A killed process
// may leave FILE.NUMBER.part behind. Any thread may call any function.
#pragma once

#include <optional>
#include <string>

#include "base/files.hpp"
#include "pipeline/stages/denoise.hpp"

namespace wf {

/// Writes the dataset `latents` [16, t, h, w] f32, and `job` (JSON) as a string dataset of that name. Throws storage.
void store_latents(const Path& file, const Latents& latents, const std::string& job);
/// Reads the latents of such a file, onto the CPU. Throws input naming the file when it has no such dataset.
Latents load_latents(const Path& file);

/// What a stopped clip continues from, to the same bits.
struct StoredState {
  Denoising state;  ///< with all steps done, x holds the clip's latents
  /// On the CPU. Undefined where it was not stored; the negative prompt's alone where no expert is guided.
  TextPair text = {};
};

/// Writes the state of a clip with the clip's fingerprint. Throws storage.
void store_state(const Path& file, const StoredState& stored, const std::string& fingerprint);
/// Reads a stored state; its sample and solver state go to `device`. Empty when there is no file, or when it is broken,
/// by however little, or has another fingerprint, which the log then says: the clip starts from the beginning.
std::optional<StoredState> load_state(const Path& file, const std::string& fingerprint, at::Device device);
/// The number of denoising steps that a stored state has done, without reading its tensors. Empty as for load_state().
std::optional<std::int64_t> stored_step(const Path& file, const std::string& fingerprint);

}  // namespace wf
