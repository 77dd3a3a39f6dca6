#include "pipeline/stages.hpp"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <chrono>

#include "cluster/error.hpp"
#include "pipeline/decode.hpp"
#include "pipeline/start.hpp"
#include "pipeline/store.hpp"

namespace wf {
namespace {

std::string sha256_of(const at::Tensor& tensor) {
  const at::Tensor bytes = tensor.cpu().contiguous();
  return Sha256().update(bytes.const_data_ptr(), bytes.nbytes()).hex();
}

/// A stored state of this very clip, or noise.
Denoising start_or_continue(Clip& clip, Models& models) {
  const at::Device device = models.execution().device;
  if (!clip.files.state.empty()) {
    if (auto stored = load_denoising(clip.files.state, clip.fingerprint, device)) {
      clip.steps_resumed = stored->step;
      return std::move(*stored);
    }
  }
  return start(clip.job, models.expert(Expert::high).config.in_dim, device);
}

/// Denoises with one expert up to step `until`; a stop on the way stores the state and leaves.
void denoise_until(Clip& clip, Stage stage, const Schedule& schedule, std::int64_t until, Models& models,
                   const Progress& progress) {
  if (clip.state.step >= until) return;  // an expert with nothing to do is not even loaded
  const auto gate = [&](std::int64_t step) { return !progress || progress(stage, step, schedule.steps()); };
  const DitWeights& expert = models.expert(stage == Stage::high ? Expert::high : Expert::low);
  const double guidance = stage == Stage::high ? clip.job.guidance.high : clip.job.guidance.low;
  clip.state = denoise(std::move(clip.state), schedule, until, clip.text, guidance, expert, models.execution(), gate);
  if (clip.state.step >= until) return;
  if (!clip.files.state.empty()) store_denoising(clip.files.state, clip.state, clip.fingerprint);
  throw Interrupted();
}

void finish_latents(Clip& clip) {
  clip.latents = latents(clip.state);
  clip.state = {};
  clip.latents_sha256 = sha256_of(clip.latents.x);
  if (!clip.files.latents.empty()) store_latents(clip.files.latents, clip.latents, clip.format.comment);
}

void decode_to_file(Clip& clip, Models& models) {
  clip.writer = std::make_unique<FrameWriter>(clip.files.video, clip.format, clip.files.frames);
  decode(clip.latents, models.vae(), [&](const Frames& frames) { clip.writer->append(frames); });
}

void run(Clip& clip, Stage stage, Models& models, const Progress& progress) {
  const Schedule schedule = make_schedule(clip.job.solver, clip.job.steps, clip.job.shift);
  switch (stage) {
    case Stage::text:
      clip.text = {models.embed(clip.job.prompt), models.embed(clip.job.negative_prompt)};
      return;
    case Stage::high:
      clip.state = start_or_continue(clip, models);
      return denoise_until(clip, stage, schedule, high_noise_steps(schedule), models, progress);
    case Stage::low:
      denoise_until(clip, stage, schedule, schedule.steps(), models, progress);
      return finish_latents(clip);
    case Stage::decode:
      return decode_to_file(clip, models);
    case Stage::write:
      clip.frames_sha256 = clip.writer->finish();
      return clip.writer.reset();
  }
}

}  // namespace

std::string_view to_string(Stage stage) {
  constexpr std::array<std::string_view, 5> names{"text", "high", "low", "decode", "write"};
  return names[static_cast<std::size_t>(stage)];
}

void advance(Clip& clip, Stage stage, Models& models, const Progress& progress) {
  const c10::InferenceMode no_autograd;
  const bool denoising = stage == Stage::high || stage == Stage::low;
  if (progress && !denoising) progress(stage, 0, 1);
  const auto begin = std::chrono::steady_clock::now();
  within("stage " + std::string(to_string(stage)), [&] { run(clip, stage, models, progress); });
  clip.seconds[std::string(to_string(stage))] =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace wf
