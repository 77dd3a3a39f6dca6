#include "pipeline/stages.hpp"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>
#include <spdlog/fmt/fmt.h>

#include <chrono>

#include "cluster/error.hpp"
#include "cluster/log.hpp"
#include "parallel/device.hpp"
#include "pipeline/decode.hpp"
#include "pipeline/parcel.hpp"
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
  return start(clip.job, models.parts().expert.in_dim, models.execution().noise, device);
}

bool is_leader(const Execution& execution) { return !execution.ranks || execution.ranks->rank() == 0; }

/// What the group's leader has of the clip, all its ranks have afterwards.
void share_with_group(Clip& clip, const Execution& execution) {
  if (!execution.ranks || execution.ranks->size() == 1) return;
  const Bytes parcel = execution.ranks->from_leader(is_leader(execution) ? pack(clip) : Bytes());
  if (!is_leader(execution)) unpack(parcel, clip, execution.device);
}

/// Asks before each step whether to go on: the group's leader decides for all its ranks.
StepGate gate_of(Stage stage, const Schedule& schedule, const Execution& execution, const Progress& progress) {
  return [&, stage](std::int64_t step) {
    synchronize(execution.device);  // so that what is shown has happened, and a stop is heeded at once
    const bool go_on = !progress || progress(stage, step, schedule.steps());
    return execution.ranks && execution.ranks->size() > 1 ? execution.ranks->leader_says(go_on) : go_on;
  };
}

/// Denoises with one expert up to step `until`; a stop on the way stores the state and leaves.
void denoise_until(Clip& clip, Stage stage, const Schedule& schedule, std::int64_t until, Models& models,
                   const Progress& progress) {
  const Execution& execution = models.execution();
  share_with_group(clip, execution);
  if (clip.state.step >= until) return;  // an expert with nothing to do is not even loaded
  const DitWeights& expert = models.expert(stage == Stage::high ? Expert::high : Expert::low);
  const double guidance = stage == Stage::high ? clip.job.guidance.high : clip.job.guidance.low;
  clip.state = denoise(std::move(clip.state), schedule, until, clip.text, guidance, expert, execution,
                       gate_of(stage, schedule, execution, progress));
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

/// "Tried to allocate 1.50 GiB." of LibTorch's message -> "1.50 GiB".
std::string asked_for(const c10::OutOfMemoryError& error) {
  const std::string words = error.what_without_backtrace(), before = "Tried to allocate ";
  const std::size_t begin = words.find(before);
  if (begin == std::string::npos) return "memory";
  const std::size_t start = begin + before.size(), end = words.find("iB", start);
  return end == std::string::npos ? "memory" : words.substr(start, end + 2 - start);
}

/// What takes less memory than this run, in words.
std::string remedies(Stage stage, const Execution& execution) {
  if (stage == Stage::text) return "--text-device cpu";
  const std::string smaller = "a smaller --size or fewer --frames";
  if (execution.guidance == GuidanceMode::batched) return "--guidance-mode two, or " + smaller;
  return execution.residency == Residency::both ? "--placement swap, or " + smaller : smaller;
}

std::string out_of_memory(const c10::OutOfMemoryError& error, Stage stage, const Job& job, const Models& models) {
  const Execution& execution = models.execution();
  const DeviceMemory memory = device_memory(execution.device);
  return fmt::format(
      "{} is out of memory: {} more was asked for, {} of {} hold tensors; {}x{} with {} frames takes about {} in this "
      "stage; what helps: {}",
      device_name(execution.device), asked_for(error), gibibytes(memory.used),
      gibibytes(memory_limit(execution.device)), job.width, job.height, job.frames,
      gibibytes(bytes_needed(models.parts(), execution, stage, job)), remedies(stage, execution));
}

void run(Clip& clip, Stage stage, Models& models, const Progress& progress) {
  const Schedule schedule = make_schedule(clip.job.solver, clip.job.steps, clip.job.shift);
  switch (stage) {
    case Stage::text:
      clip.text = {models.embed(clip.job.prompt), models.embed(clip.job.negative_prompt)};
      return;
    case Stage::high:
      if (is_leader(models.execution())) clip.state = start_or_continue(clip, models);
      return denoise_until(clip, stage, schedule, high_noise_steps(schedule), models, progress);
    case Stage::low:
      denoise_until(clip, stage, schedule, schedule.steps(), models, progress);
      if (is_leader(models.execution())) finish_latents(clip);
      return;
    case Stage::decode:
      return decode_to_file(clip, models);
    case Stage::write:
      clip.frames_sha256 = clip.writer->finish();
      return clip.writer.reset();
  }
}

/// Runs what a stage does for a job, to the end of the device's work; errors name the stage.
template <class Work>
void in_stage(Stage stage, const Job& job, const Models& models, at::Device device, Work&& work) {
  within("stage " + std::string(to_string(stage)), [&] {
    try {
      work();
      synchronize(device);
    } catch (const c10::OutOfMemoryError& error) {
      throw Error(Error::resource, out_of_memory(error, stage, job, models));
    }
  });
}

}  // namespace

void advance(Clip& clip, Stage stage, Models& models, const Progress& progress) {
  const c10::InferenceMode no_autograd;
  const bool denoising = stage == Stage::high || stage == Stage::low;
  if (progress && !denoising) progress(stage, 0, 1);
  const std::string name(to_string(stage));
  // Writing leaves the device alone, which may be at work on another clip.
  const at::Device device = stage == Stage::write ? at::Device(at::kCPU) : models.execution().device;
  reset_peak_memory(device);
  const auto begin = std::chrono::steady_clock::now();
  in_stage(stage, clip.job, models, device, [&] { run(clip, stage, models, progress); });
  clip.seconds[name] = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (!device.is_cpu()) clip.device_bytes[name] = device_memory(device).peak;
}

void embed_ahead(const Job& job, const std::vector<std::string>& texts, Models& models) {
  const c10::InferenceMode no_autograd;
  in_stage(Stage::text, job, models, models.execution().device, [&] { models.embed_ahead(texts); });
}

void embed_beside(const std::vector<std::string>& texts, Models& models, const std::stop_token& stop) {
  const c10::InferenceMode no_autograd;
  try {
    for (const std::string& text : texts) {
      if (stop.stop_requested()) return;
      models.embed(text);
    }
  } catch (const std::exception& error) {
    spdlog::debug("texts are not embedded ahead any further: {}", error.what());
  }
}

}  // namespace wf
