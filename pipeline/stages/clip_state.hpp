// pipeline/stages/clip_state.hpp: a clip's state as bytes, from which another group of ranks, or the other ranks of the
// same group, can continue the clip.
#pragma once

#include "cluster/transport.hpp"
#include "pipeline/stages/stages.hpp"

namespace wf {

/// Packs the state of a clip between two stages: its embeddings, its Denoising (sample and solver state) or latents,
/// and how they were made (seconds, ranks, peak bytes). Job, format, files and fingerprint are left out, since the
/// receiver has its own. The result takes 58 to 77 MB at 1280x720 with 81 frames.
///
/// Any thread may call this while no other thread changes the clip. The copy from a GPU waits only for work queued on
/// the current stream, so a background thread should use a SideStream (parallel/host_copy.hpp). The bytes are in
/// pageable memory: LibTorch rounds pinned memory up to powers of two and never frees it, and the host has to read the
/// bytes again anyway, to send them.
Bytes pack(const Clip& clip);

/// Restores what pack() made into a clip of the same job. Embeddings stay on the CPU, all other tensors go to `device`.
/// Throws Error(internal) when the bytes are truncated; the clip is then unusable.
void unpack(const Bytes& bytes, Clip& clip, at::Device device);

}  // namespace wf
