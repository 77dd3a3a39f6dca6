#include "launcher/run/pipeline_work.hpp"

#include <ATen/Parallel.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/fault.hpp"
#include "base/log.hpp"
#include "base/sha256.hpp"
#include "base/text.hpp"
#include "base/watched_work.hpp"
#include "cluster/node.hpp"
#include "jobs/output/drafts.hpp"
#include "launcher/options/model_choice.hpp"
#include "launcher/options/version.hpp"
#include "launcher/run/model_record.hpp"
#include "parallel/device.hpp"
#include "parallel/host_copy.hpp"
#include "pipeline/stages/clip_state.hpp"
#include "pipeline/stages/preview.hpp"
#include "pipeline/stages/store.hpp"
#include "pipeline/video/picture.hpp"

namespace wf {
namespace {

/// The text of the video's comment tag: enough to render the clip again from the video file alone.
std::string comment(const Job& job, const Recipe& recipe, const std::string& fingerprint) {
  return nlohmann::ordered_json{{"wanfarm", version},
                                {"fingerprint", fingerprint},
                                {"model_id", recipe.model_id},
                                {"precision", recipe.precision},
                                {"job", nlohmann::ordered_json::parse(to_json(job))}}
      .dump();
}

struct FileNames {
  std::string video, latents, frames;  ///< names in the output folder; empty: not requested
};

FileNames names_of(const Job& job, const RunOptions& options) {
  const std::string video = job.name + "." + file_ending(options.video.codec);
  if (options.planning.choices.draft) return {draft_file(video), "", ""};
  return {video, options.video.save_latents ? job.name + ".h5" : "", options.video.png ? job.name : ""};
}

/// Seconds that the clip spent in each of the given stages. For a clip resumed from a stored state, high and low are
/// left out, since they may not have been measured from start to end.
SecondsByStage seconds_of(const Clip& clip, const std::set<Stage>& stages) {
  SecondsByStage seconds = {};
  for (const Stage stage : stages) {
    const bool resumed = clip.steps_resumed > 0 && (stage == Stage::high || stage == Stage::low);
    const auto spent = clip.seconds.find(std::string(to_string(stage)));
    if (!resumed && spent != clip.seconds.end()) seconds[static_cast<std::size_t>(stage)] = spent->second;
  }
  return seconds;
}

/// Index of the stage's last step in the schedule, which counts the steps of both experts from 0; 0 for a stage without
/// steps.
std::int64_t last_step(const Job& job, Stage stage) {
  if (stage == Stage::low) return job.steps - 1;
  return stage == Stage::high ? high_noise_steps(job) - 1 : 0;
}

/// What the clip can continue from between two stages: a Denoising, which has all steps done once there are latents.
/// Without a sample when only the text is embedded, which takes no time to repeat.
StateToStore state_of(const Clip& clip) {
  const bool is_denoised = clip.latents.x.defined() && !clip.state.x.defined();  // a draft has latents and a state
  const Denoising state = is_denoised ? Denoising{clip.latents.x, {}, clip.job.steps} : clip.state;
  return {clip.job.name, clip.files.state, clip.fingerprint, {state, clip.text}};
}

/// WANFARM_SCRATCH: a folder on a disk of this node, on which videos are made before they are copied to where they
/// belong; empty: they are made there.
Path scratch_folder() {
  const char* const set = std::getenv("WANFARM_SCRATCH");
  const Path folder = set ? set : "";
  std::error_code error;
  if (folder.empty() || std::filesystem::is_directory(folder, error)) return folder;
  throw Error(Error::environment, "WANFARM_SCRATCH: " + folder.string() +
                                      " is no folder on this node; give one on the node's own disk, or unset it");
}

Expert expert_of(Role role) { return role == Role::high ? Expert::high : Expert::low; }

}  // namespace

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

PipelineWork::PipelineWork(Setting setting)
    : setting_(std::move(setting)),
      recipe_(recipe_of(setting_.models.id(), setting_.models.execution(), setting_.models.parts().is_rounded_to_fp8)),
      past_(setting_.finished.begin(), setting_.finished.end()),
      policy_(setting_.options.checkpoint),
      states_(setting_.models.execution().device) {
  if (setting_.leads) scratch_ = scratch_folder();
  if (setting_.leads) model_ = record_of(setting_.models.parts().files);
  if (drafts() && setting_.leads) make_draft_folders(setting_.folder);
  prepare_host_copies(setting_.models.execution().device);
}

/// What an error that comes up in work on the clip is said to be of.
std::string PipelineWork::context(const Job& job) const {
  return "job " + job.name + (scratch_.empty() ? "" : fmt::format("; its video is made in {}", scratch_.string()));
}

void PipelineWork::take_role(Role role, const WeightPeer* peer) {
  if (role == Role::resident) return;
  const WatchedWork watched("", role == Role::high ? "load the high-noise expert" : "load the low-noise expert");
  fault_point("load");
  peer ? setting_.models.expert(expert_of(role), *peer) : setting_.models.expert(expert_of(role));
}

WeightLease PipelineWork::lease(Role role) {
  return role == Role::resident ? WeightLease{} : setting_.models.lease(expert_of(role));
}

bool PipelineWork::is_shared(Stage stage) const {
  return wf::is_shared(stage, clip_->job, setting_.models.execution());
}

void PipelineWork::begin(std::size_t clip, const Bytes* state, Earlier earlier) {
  number_ = clip;
  past_.insert(clip);
  clip_.emplace(start_clip(job(clip)));
  clip_->files.may_have_state = earlier == Earlier::maybe;
  clip_->before_step = [this](const Denoising& now) { keep_if_due(now); };
  policy_.begin();
  passed_.clear();
  if (state) unpack(*state, *clip_, setting_.models.execution().device);
}

bool PipelineWork::advance(Stage stage, const std::function<void()>& nearly_done) {
  const std::string name(to_string(stage)), &clip = clip_->job.name;
  const WatchedWork watched(clip, name);
  trace::Span span("stage", name, {{"clip", clip}});
  keep_between_stages();
  const std::int64_t last = last_step(clip_->job, stage);
  const auto progress = [&](Stage now, std::int64_t step, std::int64_t steps) {
    step_.reset();
    if (steps > 1) step_.emplace("step", name, std::initializer_list<trace::Argument>{{"step", std::to_string(step)}});
    if (nearly_done && step == last) nearly_done();
    mark_progress();
    fault_point(name.c_str());
    if (!go_on({clip, now, step, steps})) return false;
    if (setting_.loads_behind && now == Stage::high) setting_.models.load_behind(Expert::low);
    return true;
  };
  try {
    within(context(clip_->job), [&] {
      if (stage == Stage::text) embed_texts_from(number_);
      const bool stops_here = stage == Stage::low && drafts();
      stops_here ? make_draft() : wf::advance(*clip_, stage, setting_.models, progress);
    });
  } catch (const wf::Interrupted&) {
    step_.reset();
    if (setting_.leads) spdlog::info("{}: stopped, its state is kept", clip);
    return false;
  } catch (...) {
    states_.wait_for(clip_->files.state);  // another group may try next, and nothing but its own states may come then
    if (stage == Stage::decode && clip_->latents.x.defined()) keep_latents();
    throw;
  }
  step_.reset();
  if (const auto peak = clip_->device_bytes.find(name); peak != clip_->device_bytes.end())
    span.add({"peak_bytes", std::to_string(peak->second)});
  clip_->ranks[name] = setting_.ranks;
  passed_.insert(stage);
  return true;
}

/// What a draft has in place of the low-noise expert's steps: the state is kept, for `finish` to go on with, and what
/// it promises is decoded.
void PipelineWork::make_draft() {
  if (!setting_.leads) return;
  const StateToStore kept = state_of(*clip_);
  states_.wait_for(kept.file);
  store_state(kept.file, kept.stored, kept.fingerprint);
  clip_->files.may_have_state = true;
  clip_->latents = predicted_clip(clip_->state);
}

/// Has the state before a step stored in the background if the last one is old enough. While the thread still writes
/// another clip's, the next step tries again.
void PipelineWork::keep_if_due(const Denoising& state) {
  const double now = setting_.now();
  if (!policy_.due(state.step, now)) return;
  StateToStore kept = state_of(*clip_);
  kept.stored.state = state;
  offer(std::move(kept), now);
}

void PipelineWork::offer(StateToStore kept, double now) {
  const std::int64_t step = kept.stored.state.step;
  if (!states_.offer(std::move(kept))) return;
  clip_->files.may_have_state = true;
  policy_.stored(step, now);
}

/// The same for what the clip's last stage made, before the next stage.
void PipelineWork::keep_between_stages() {
  StateToStore kept = state_of(*clip_);
  const std::int64_t step = kept.stored.state.step;
  const double now = setting_.now();
  if (setting_.leads && policy_.pays(step, now)) offer(std::move(kept), now);
}

/// Whether to go on with the clip. If not, its state is stored next: after earlier ones that are still being written.
bool PipelineWork::go_on(const Activity& activity) {
  if (setting_.gate(activity)) return true;
  states_.wait_for(clip_->files.state);
  return false;
}

/// If the text encoder leaves the device after each use, embeds the texts of this clip and of those that follow it in
/// the list, so that the encoder is loaded once for as many clips as there is room for.
void PipelineWork::embed_texts_from(std::size_t first) {
  Models& models = setting_.models;
  if (models.execution().keep_text_encoder) return;
  if (std::ranges::all_of(texts_of(job(first)), [&](const std::string& text) { return models.is_embedded(text); }))
    return;
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < setting_.jobs.size(); ++i) {
    const std::size_t number = (first + i) % setting_.jobs.size();
    if (number == first || !past_.contains(number)) std::ranges::move(texts_of(job(number)), std::back_inserter(texts));
  }
  embed_ahead(job(first), texts, models, [&] { return go_on({job(first).name, Stage::text, 0, 1}); });
}

SecondsByStage PipelineWork::seconds() const { return seconds_of(*clip_, passed_); }

/// A stage returns only once the device has finished it, so the copy to host memory has no GPU work to wait for and can
/// run on a stream of its own. What pays is stored before the clip is handed over: from then on its next group alone
/// stores its states, so that a later one is never replaced by an earlier one.
std::function<Bytes()> PipelineWork::stash() {
  auto clip = std::make_shared<const Clip>(std::move(*clip_));
  clip_.reset();
  const bool pays = setting_.leads && policy_.pays(state_of(*clip).stored.state.step, setting_.now());
  return [this, clip, pays, device = setting_.models.execution().device] {
    return within(context(clip->job), [&] {
      const trace::Span span("communication", "stash", {{"clip", clip->job.name}});
      const WatchedWork watched(clip->job.name, "stash");
      states_.wait_for(clip->files.state);
      if (pays) states_.write_now(state_of(*clip));
      const SideStream side_stream(device);
      return pack(*clip);
    });
  };
}

std::function<FinishedClip()> PipelineWork::finish() {
  auto clip = std::make_shared<Clip>(std::move(*clip_));
  clip_.reset();
  return [this, clip, passed = passed_] {
    return within(context(clip->job), [&] {
      const trace::Span span("stage", "write", {{"clip", clip->job.name}});
      const WatchedWork watched(clip->job.name, "write");
      states_.wait_for(clip->files.state);  // before the stored state is removed, or the clip fails and goes elsewhere
      fault_point("write");
      wf::advance(*clip, Stage::write, setting_.models);
      SecondsByStage seconds = seconds_of(*clip, passed);
      seconds[static_cast<std::size_t>(Stage::write)] = clip->seconds.at("write");
      return FinishedClip{seconds, to_json(publish(*clip))};
    });
  };
}

void PipelineWork::store(std::size_t number, const Bytes& state) {
  Clip clip = start_clip(job(number));
  unpack(state, clip, at::kCPU);
  const StateToStore made = state_of(clip);
  if (!made.stored.state.x.defined()) return;
  states_.wait_for(made.file);
  store_state(made.file, made.stored, made.fingerprint);
  spdlog::info("{}: stopped between two stages, its state is kept", clip.job.name);
}

/// Keeps the latents of a clip whose decoding failed, so that another attempt does not denoise it again. That they
/// cannot be kept is no error of its own.
void PipelineWork::keep_latents() const {
  try {
    const StateToStore latents = state_of(*clip_);
    store_state(latents.file, latents.stored, latents.fingerprint);
  } catch (const Error& error) {
    spdlog::warn("{}: its latents are not kept: {}", clip_->job.name, error.what());
  }
}

Clip PipelineWork::start_clip(const Job& job) const {
  Clip clip;
  clip.job = job;
  if (!setting_.leads) return clip;
  const FileNames names = names_of(job, setting_.options);
  const auto part = [&](const std::string& name) { return name.empty() ? Path() : setting_.folder.part(name); };
  clip.fingerprint = fingerprint(job, recipe_);
  clip.files = {part(names.video), part(names.latents), part(names.frames),
                setting_.folder.stored_state(clip.fingerprint)};
  if (!scratch_.empty()) {
    clip.files.scratch = std::make_shared<const ScratchFile>(scratch_);
    clip.files.video = clip.files.scratch->path();
  }
  clip.is_draft = drafts();
  const int smaller = clip.is_draft ? 2 : 1;
  clip.format = {.width = job.width / smaller,
                 .height = job.height / smaller,
                 .fps = job.fps,
                 .codec = setting_.options.video.codec,
                 .crf = setting_.options.video.crf,
                 .preset = setting_.options.video.preset,
                 .color = setting_.options.video.color,
                 .comment = comment(job, recipe_, clip.fingerprint)};
  return clip;
}

/// Publishes the sidecar last, because a clip counts as finished once it has one.
Sidecar PipelineWork::publish(const Clip& clip) const {
  const FileNames names = names_of(clip.job, setting_.options);
  const Earlier earlier = clip.files.may_have_state ? Earlier::maybe : Earlier::nothing;
  const FileDigest video = setting_.folder.publish_video(names.video, earlier, clip.files.scratch.get());
  for (const std::string& name : {names.latents, names.frames})
    if (!name.empty()) setting_.folder.publish(name);
  publish_sheet(clip);
  const Sidecar sidecar{.job = clip.job,
                        .recipe = recipe_,
                        .fingerprint = clip.fingerprint,
                        .version = version,
                        .video_file = names.video,
                        .video_bytes = video.bytes,
                        .codec = to_string(clip.format.codec),
                        .how = how(clip),
                        .model = model_,
                        .seconds = clip.seconds,
                        .latents_sha256 = clip.latents_sha256,
                        .frames_sha256 = clip.frames_sha256,
                        .file_sha256 = video.sha256};
  drafts() ? finish_draft(setting_.folder, sidecar) : setting_.folder.finish(sidecar, earlier);
  return sidecar;
}

/// The contact sheet is for those who look at the run; `wanfarm report` makes one that is missing from the video. It
/// needs no work file, because nobody looks for it before the clip has a sidecar.
void PipelineWork::publish_sheet(const Clip& clip) const {
  if (clip.sheet.empty()) return;
  try {
    write_in_place(setting_.folder.contact_sheet(clip.fingerprint, small_file_ending()), clip.sheet);
  } catch (const Error& error) {
    spdlog::warn("{}: has no contact sheet: {}", clip.job.name, error.what());
  }
}

/// How the clip was rendered, for its sidecar. None of this changes what was asked for.
std::map<std::string, std::string> PipelineWork::how(const Clip& clip) const {
  const Execution& execution = setting_.models.execution();
  std::map<std::string, std::string> how{
      {"device", execution.device.str()},
      {"attention", setting_.models.attention_name()},
      {"guidance_mode", to_string(guidance_mode_of(execution.guidance, clip.job.saved))},
      {"placement", setting_.placement},
      {"weights", to_string(execution.weights)},
      {"threads", std::to_string(at::get_num_threads())},
      {"host", this_node().host},
      {"steps_resumed", std::to_string(clip.steps_resumed)}};
  if (!clip.job.guidance.any()) how.erase("guidance_mode");
  if (computes_in_8_bits(execution))
    how["exact_steps_at_each_end"] = std::to_string(exact_steps_at_each_end(execution, clip.job.steps));
  if (execution.exact_blocks.any()) how["exact_blocks"] = to_string(execution.exact_blocks);
  if (drafts()) how["draft"] = fmt::format("after {} of {} steps", clip.state.step, clip.job.steps);
  for (const auto& [stage, ranks] : clip.ranks) how["ranks_" + stage] = ranks;
  if (execution.device.is_cpu()) return how;
  std::uint64_t peak = 0;
  for (const auto& [stage, bytes] : clip.device_bytes) peak = std::max(peak, bytes);
  how["device_name"] = device_name(execution.device);
  how["device_peak"] = gibibytes(peak);
  how["text_device"] = execution.text_device.str();
  return how;
}

}  // namespace wf
