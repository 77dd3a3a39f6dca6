// pipeline/store.hpp: tensors that outlive the process, in HDF5 files. Files are written whole, beside, and renamed.
#pragma once

#include <optional>
#include <string>

#include "cluster/files.hpp"
#include "pipeline/denoise.hpp"

namespace wf {

/// Writes dataset `latents` [16, t, h, w] f32 and the job (JSON) as the text `job`. Throws storage.
void store_latents(const Path& file, const Latents& latents, const std::string& job);
/// Reads it back. Throws input naming the file when it is no such file.
Latents load_latents(const Path& file);

/// Writes a Denoising under the clip's fingerprint so that it can be continued bit for bit. The file appears complete
/// or not at all.
void store_denoising(const Path& file, const Denoising& state, const std::string& fingerprint);
/// The stored state, on `device`; empty when there is none, or when it is broken or of another fingerprint (said in the
/// log).
std::optional<Denoising> load_denoising(const Path& file, const std::string& fingerprint, at::Device device);

}  // namespace wf
