// pipeline/stages/store.hpp: tensors that outlive the process, in HDF5 files. A file is written under another name,
// flushed and renamed, so that it appears complete or not at all and replaces an old one only then.
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

/// Writes a Denoising with the clip's fingerprint, so that it can be continued bit for bit. Throws storage.
void store_denoising(const Path& file, const Denoising& state, const std::string& fingerprint);
/// Reads the stored state onto `device`. Empty when there is no file, or when it is broken or has another fingerprint,
/// which the log then says: the clip starts from the beginning.
std::optional<Denoising> load_denoising(const Path& file, const std::string& fingerprint, at::Device device);

}  // namespace wf
