// pipeline/parcel.hpp: what a clip has made so far, as bytes: for the group that goes on with it, and for its ranks.
#pragma once

#include "parallel/mail.hpp"
#include "pipeline/stages.hpp"

namespace wf {

/// Texts, Denoising or latents, seconds and what else the stages up to low have made. Not the job nor the files: the
/// receiver has its own. 58 to 77 MB at 1280x720 and 81 frames. For any thread: another one's GPU work is not waited
/// for where the caller has a stream of its own (parallel/host_copy.hpp). The bytes lie in ordinary memory: pinned
/// memory comes in powers of two and is never given back, and a parcel is read by the host anyway, to be sent.
Bytes pack(const Clip& clip);

/// Into a clip of the same job; tensors come to the device, texts stay on the CPU. Throws internal when the bytes are
/// not pack()'s.
void unpack(const Bytes& bytes, Clip& clip, at::Device device);

}  // namespace wf
