#include "pipeline/stages/stages.hpp"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>
#include <spdlog/fmt/fmt.h>

#include <chrono>
#include <exception>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "base/watched_work.hpp"
#include "parallel/device.hpp"
#include "pipeline/stages/clip_state.hpp"
#include "pipeline/stages/decode.hpp"
#include "pipeline/stages/preview.hpp"
#include "pipeline/stages/start.hpp"
#include "pipeline/stages/store.hpp"

namespace wf {
namespace {

std::string sha256_of(const at::Tensor& tensor) {
  const at::Tensor bytes = tensor.cpu().contiguous();
  return Sha256().update(bytes.const_data_ptr(), bytes.nbytes()).hex();
}

/// Lets the clip continue from its stored state. False when there is none that fits.
bool continue_stored(Clip& clip, const Models& models) {
  if (clip.files.state.empty() || !clip.files.may_have_state) return false;
  std::optional<StoredState> stored = load_state(clip.files.state, clip.fingerprint, models.execution().device);
  if (!stored) return false;
  clip.steps_resumed = stored->state.step;
  clip.state = std::move(stored->state);
  if (!clip.text.prompt.text.defined()) clip.text = std::move(stored->text);
  return true;
}

void start_or_continue(Clip& clip, Models& models) {
  if (continue_stored(clip, models)) return;
  clip.state = start(clip.job, models.parts().expert.in_dim, models.execution().noise, models.execution().device);
}

/// For a clip that begins with this stage: the earlier ones were done by an earlier run, which stored what they made.
void continue_at(Clip& clip, std::int64_t least_step, Models& models) {
  if (continue_stored(clip, models) && clip.state.step >= least_step) return;
  std::error_code ignored;
  std::filesystem::remove(clip.files.state, ignored);  // so that the next attempt does not find it again
  throw Error(Error::transient, "the stored state of the clip cannot be used; it starts from the beginning");
}

void continue_at_low(Clip& clip, const Schedule& schedule, Models& models) {
  if (clip.state.x.defined()) return;
  continue_at(clip, high_noise_steps(schedule), models);
  if (!clip.text.prompt.text.defined()) clip.text = embed_texts(clip.job, models);
}

bool is_leader(const Execution& execution) { return !execution.ranks || execution.ranks->rank() == 0; }

/// Lets the leader prepare the clip for a stage, and gives it to all ranks of the group if they compute the stage
/// together. False on the other ranks when that failed on the leader, where the error is thrown. Collective over the
/// ranks that compute the stage.
bool begin(Clip& clip, Stage stage, const Execution& execution, const std::function<void()>& prepare) {
  if (!is_shared(stage, clip.job, execution)) return prepare(), true;
  const bool leads = is_leader(execution);
  clip.left_by_group = false;
  std::exception_ptr failure;
  Bytes packed;
  try {
    if (leads) prepare(), packed = pack(clip);
  } catch (const std::exception&) {
    failure = std::current_exception();
  }
  if (!execution.ranks->from_leader(failure == nullptr)) {
    clip.left_by_group = true;
    if (failure) std::rethrow_exception(failure);
    return false;
  }
  packed = execution.ranks->from_leader(std::move(packed));
  if (!leads) unpack(packed, clip, execution.device);
  return true;
}

/// A gate that shows the clip's observer the state and asks Progress before each step. The leader's answer is taken by
/// all ranks of the group, so that they stop at the same step.
StepGate gate_of(const Clip& clip, Stage stage, const Schedule& schedule, const Execution& execution,
                 const Progress& progress) {
  return [&, stage](const Denoising& state, const Denoising& resumable) {
    synchronize(execution.device);  // progress then reports what has happened, and a stop takes effect at once
    if (clip.before_step && is_leader(execution)) clip.before_step(resumable);
    const bool go_on = !progress || progress(stage, state.step, schedule.steps());
    return is_shared(stage, clip.job, execution) ? execution.ranks->from_leader(go_on) : go_on;
  };
}

/// Stores what the clip can continue from; on a rank that does not lead its group there is no file to write.
void store(const Clip& clip) {
  if (!clip.files.state.empty()) store_state(clip.files.state, {clip.state, clip.text}, clip.fingerprint);
}

/// Denoises with one expert up to step `until`. When Progress asks for a stop, the state is stored and Interrupted is
/// thrown.
void denoise_until(Clip& clip, Stage stage, const Schedule& schedule, std::int64_t until, Models& models,
                   const Progress& progress) {
  const Execution& execution = models.execution();
  if (clip.state.step < until) {  // else an expert without steps would be loaded
    const DitWeights& expert = models.expert(stage == Stage::high ? Expert::high : Expert::low);
    clip.state = denoise(std::move(clip.state), schedule, until, clip.text, scale_in(stage, clip.job.guidance),
                         clip.job.saved, expert, execution, gate_of(clip, stage, schedule, execution, progress));
  }
  clip.left_by_group = true;
  if (clip.state.step >= until) return;
  store(clip);
  throw Interrupted();
}

void finish_latents(Clip& clip) {
  clip.latents = latents(clip.state);
  clip.state = {};
  clip.latents_sha256 = sha256_of(clip.latents.x);
  if (!clip.files.latents.empty()) store_latents(clip.files.latents, clip.latents, clip.format.comment);
}

/// The latents of a clip that is to be decoded, if an earlier run made them.
void continue_at_decode(Clip& clip, const Schedule& schedule, Models& models) {
  if (clip.latents.x.defined()) return;
  continue_at(clip, schedule.steps(), models);
  finish_latents(clip);
}

void decode_to_file(Clip& clip, Models& models) {
  const auto append = [&](const Frames& frames) {
    if (!clip.writer)
      clip.writer = std::make_unique<FrameWriter>(clip.files.video, clip.format, clip.files.frames, clip.job.frames);
    clip.writer->append(clip.is_draft ? half_size(frames) : frames);
    mark_progress();
  };
  const Execution& execution = models.execution();
  if (!is_shared(Stage::decode, clip.job, execution)) return decode(clip.latents, models.vae(), append);
  const auto failure = decode_together(clip.latents, models.vae(), append, execution.ranks->everyone());
  clip.left_by_group = true;
  if (failure && is_leader(execution)) std::rethrow_exception(failure);
}

/// The size in LibTorch's message: "1.50 GiB" from "Tried to allocate 1.50 GiB.".
std::string asked_for(const c10::OutOfMemoryError& error) {
  const std::string text = error.what_without_backtrace(), before = "Tried to allocate ";
  const std::size_t begin = text.find(before);
  if (begin == std::string::npos) return "memory";
  const std::size_t start = begin + before.size(), end = text.find("iB", start);
  return end == std::string::npos ? "memory" : text.substr(start, end + 2 - start);
}

/// Flags that make this stage take less memory, for an error message.
std::string remedies(Stage stage, const Job& job, const Execution& execution) {
  if (stage == Stage::text) return "--text-device cpu";
  const std::string smaller = "a smaller --size or fewer --frames";
  const bool denoises = stage == Stage::high || stage == Stage::low;
  if (denoises && batch_of(execution, stage, job) == 2) return "--guidance-mode two, or " + smaller;
  if (execution.residency == Residency::both) return "--placement swap, or " + smaller;
  return execution.streamed_blocks == 0 ? "--placement stream, or " + smaller : smaller;
}

std::string out_of_memory(const c10::OutOfMemoryError& error, Stage stage, const Job& job, const Models& models) {
  const Execution& execution = models.execution();
  const DeviceMemory memory = device_memory(execution.device);
  return fmt::format(
      "{} is out of memory: {} more was asked for, {} of {} hold tensors; {}x{} with {} frames takes about {} in this "
      "stage; what helps: {}",
      device_name(execution.device), asked_for(error), gibibytes(memory.used),
      gibibytes(memory_limit(execution.device)), job.width, job.height, job.frames,
      gibibytes(bytes_needed(models.parts(), execution, stage, job)), remedies(stage, job, execution));
}

void run(Clip& clip, Stage stage, Models& models, const Progress& progress) {
  const Schedule schedule = make_schedule(clip.job.solver, clip.job.steps, clip.job.shift);
  const Execution& execution = models.execution();
  switch (stage) {
    case Stage::text:
      clip.text = embed_texts(clip.job, models);
      return;
    case Stage::high:
      if (!begin(clip, stage, execution, [&] { start_or_continue(clip, models); })) return;
      return denoise_until(clip, stage, schedule, high_noise_steps(schedule), models, progress);
    case Stage::low:
      if (!begin(clip, stage, execution, [&] { continue_at_low(clip, schedule, models); })) return;
      denoise_until(clip, stage, schedule, schedule.steps(), models, progress);
      if (is_leader(execution)) finish_latents(clip);
      return;
    case Stage::decode:
      if (!begin(clip, stage, execution, [&] { continue_at_decode(clip, schedule, models); })) return;
      return decode_to_file(clip, models);
    case Stage::write:
      clip.frames_sha256 = clip.writer->finish();
      clip.sheet = clip.writer->take_sheet();
      return clip.writer.reset();
  }
}

/// Runs the work of a stage and waits for the device to finish it. Errors name the stage, and a device out of memory
/// becomes an Error.
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

bool is_shared(Stage stage, const Job& job, const Execution& execution) {
  if (!execution.ranks || execution.ranks->size() == 1) return false;
  if (stage == Stage::decode) return decoding_ranks(job, execution.split_decode, execution.ranks->size()) > 1;
  return stage == Stage::high || stage == Stage::low;
}

TextPair embed_texts(const Job& job, Models& models) {
  return {models.embed(job.prompt), job.guidance.any() ? models.embed(job.negative_prompt) : Embeddings{}};
}

void advance(Clip& clip, Stage stage, Models& models, const Progress& progress) {
  const c10::InferenceMode no_autograd;
  const bool denoising = stage == Stage::high || stage == Stage::low;
  if (progress && !denoising) progress(stage, 0, 1);
  const std::string name(to_string(stage));
  // Writing does not use the device, on which another thread may be computing the next clip.
  const at::Device device = stage == Stage::write ? at::Device(at::kCPU) : models.execution().device;
  reset_peak_memory(device);
  const auto begin = std::chrono::steady_clock::now();
  in_stage(stage, clip.job, models, device, [&] { run(clip, stage, models, progress); });
  clip.seconds[name] = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (!device.is_cpu()) clip.device_bytes[name] = device_memory(device).peak;
}

void embed_ahead(const Job& job, const std::vector<std::string>& texts, Models& models,
                 const std::function<bool()>& go_on) {
  const c10::InferenceMode no_autograd;
  in_stage(Stage::text, job, models, models.execution().device, [&] {
    embed_texts(job, models);  // a clip whose text is at fault fails before the text encoder is loaded for the others
    models.embed_ahead(texts, go_on);
  });
}

void embed_in_background(const std::vector<std::string>& texts, Models& models, const std::stop_token& stop) {
  const c10::InferenceMode no_autograd;
  try {
    const WatchedWork watched("", "embed texts");
    models.embed_ahead(texts, [&] { return !stop.stop_requested(); });
  } catch (const std::exception&) {
    spdlog::warn("texts are not embedded ahead any further: {}", current_error().what());
  }
}

}  // namespace wf
