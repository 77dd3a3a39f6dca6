// pipeline/stages/clip_state.hpp: a clip's state as bytes, with which another group of ranks, or the other ranks of the
// same group, can go on with the clip.
#pragma once

#include "cluster/transport.hpp"
#include "pipeline/stages/stages.hpp"

namespace wf {

/// The state of a clip between two stages: embeddings, Denoising or latents, and how they were made (seconds, ranks,
/// peak bytes). Job, format, files and fingerprint are left out, since the receiver has its own. 58 to 77 MB at
/// 1280x720 with 81 frames.
///
/// Any thread may call this while no other thread changes the clip. The copy from a GPU waits for work queued on the
/// current stream alone, so a background thread takes a SideStream (parallel/host_copy.hpp). The bytes are in pageable
/// memory: LibTorch rounds pinned memory up to powers of two and never frees it, and the host reads the bytes once more
/// in any case, to send them.
Bytes pack(const Clip& clip);

/// Restores what pack() made into a clip of the same job. Embeddings stay on the CPU, all other tensors go to `device`.
/// Throws internal when the bytes are cut short; the clip is then unusable.
void unpack(const Bytes& bytes, Clip& clip, at::Device device);

}  // namespace wf
