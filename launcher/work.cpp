#include "launcher/work.hpp"

#include <ATen/Parallel.h>

#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "cluster/log.hpp"
#include "cluster/node.hpp"
#include "cluster/signals.hpp"
#include "jobs/queue.hpp"
#include "launcher/display.hpp"
#include "launcher/model_choice.hpp"
#include "launcher/version.hpp"
#include "parallel/device.hpp"
#include "pipeline/stages.hpp"

namespace wf {
namespace {

constexpr std::size_t most_texts_ahead = 2000;

/// The comment tag of the video: enough to make the clip again from the file alone.
std::string comment(const Job& job, const Recipe& recipe, const std::string& fingerprint) {
  return nlohmann::ordered_json{{"wanfarm", version},
                                {"fingerprint", fingerprint},
                                {"model_id", recipe.model_id},
                                {"precision", recipe.precision},
                                {"job", nlohmann::ordered_json::parse(to_json(job))}}
      .dump();
}

struct FileNames {
  std::string video, latents, frames;  ///< in the output folder; empty: not wanted
};

FileNames names_of(const Job& job, const RunOptions& options) {
  return {job.name + "." + file_ending(chosen_codec(options)), options.save_latents ? job.name + ".h5" : "",
          options.png ? job.name : ""};
}

/// One batch at work: what its clips share.
class Batch {
 public:
  Batch(const std::vector<Job>& jobs, RunFolder& folder, Models& models, const RunOptions& options)
      : jobs_(jobs),
        folder_(folder),
        models_(models),
        options_(options),
        recipe_(recipe_of(models.id(), models.execution())),
        queue_(jobs),
        display_(jobs, is_terminal() && !options.quiet) {}

  Summary run() {
    if (!options_.force) find_finished();
    while (!stop_requested()) {
      const std::optional<std::size_t> job = queue_.next();
      if (!job) break;
      take(*job);
    }
    summary_.left = queue_.count(Queue::State::waiting);
    return summary_;
  }

 private:
  void find_finished() {
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      const std::optional<Sidecar> sidecar = folder_.finished(jobs_[i], fingerprint(jobs_[i], recipe_));
      if (!sidecar) continue;
      queue_.done(i);
      display_.skip(i);
      folder_.record_finished(*sidecar);
      ++summary_.skipped;
      if (options_.json) std::cout << skipped_line(*sidecar) << std::endl;
    }
    if (summary_.skipped > 0) spdlog::info("{} of {} clips are finished already", summary_.skipped, jobs_.size());
  }

  void take(std::size_t i) {
    display_.begin(i);
    try {
      const std::optional<Sidecar> sidecar = within("job " + jobs_[i].name, [&] {
        embed_texts_from(i);
        return render(jobs_[i]);
      });
      if (!sidecar) return queue_.give_back(i);
      done(i, *sidecar);
    } catch (const Error& error) {
      if (error.kind() == Error::storage || error.kind() == Error::environment)
        throw;  // no other clip would fare better
      failed(i, error);
    }
  }

  /// Where the text encoder leaves the device after its use, it is brought in for many texts at once: those of the
  /// waiting clips from this one on.
  void embed_texts_from(std::size_t first) {
    if (models_.execution().keep_text_encoder) return;
    if (models_.is_embedded(jobs_[first].prompt) && models_.is_embedded(jobs_[first].negative_prompt)) return;
    std::vector<std::string> texts{jobs_[first].prompt, jobs_[first].negative_prompt};
    for (std::size_t i = 0; i < jobs_.size() && texts.size() < most_texts_ahead; ++i) {
      if (queue_.state(i) != Queue::State::waiting) continue;
      texts.push_back(jobs_[i].prompt);
      texts.push_back(jobs_[i].negative_prompt);
    }
    embed_ahead(jobs_[first], texts, models_);
  }

  /// All stages of one clip; empty when a stop was asked for.
  std::optional<Sidecar> render(const Job& job) {
    Clip clip = start_clip(job);
    try {
      for (const Stage stage : all_stages) {
        advance(clip, stage, models_, [&](Stage now, std::int64_t step, std::int64_t steps) {
          display_.step(now, step, steps);
          return !stop_requested();
        });
      }
    } catch (const Interrupted&) {
      spdlog::info("{}: stopped, its state is kept", job.name);
      return std::nullopt;
    }
    return publish(clip);
  }

  Clip start_clip(const Job& job) {
    const FileNames names = names_of(job, options_);
    const auto part = [&](const std::string& name) { return name.empty() ? Path() : folder_.part(name); };
    Clip clip;
    clip.job = job;
    clip.fingerprint = fingerprint(job, recipe_);
    clip.files = {part(names.video), part(names.latents), part(names.frames), folder_.store(job.name)};
    clip.format = {.width = job.width,
                   .height = job.height,
                   .fps = job.fps,
                   .codec = chosen_codec(options_),
                   .crf = options_.crf,
                   .preset = options_.preset,
                   .comment = comment(job, recipe_, clip.fingerprint)};
    return clip;
  }

  /// The sidecar comes last: a clip without one is not finished.
  Sidecar publish(const Clip& clip) {
    const FileNames names = names_of(clip.job, options_);
    for (const std::string& name : {names.latents, names.frames, names.video}) {
      if (!name.empty()) folder_.publish(name);
    }
    const Sidecar sidecar{.job = clip.job,
                          .recipe = recipe_,
                          .fingerprint = clip.fingerprint,
                          .version = version,
                          .video_file = names.video,
                          .video_bytes = std::filesystem::file_size(folder_.output() / names.video),
                          .codec = clip.format.codec,
                          .how = how(clip),
                          .seconds = clip.seconds,
                          .latents_sha256 = clip.latents_sha256,
                          .frames_sha256 = clip.frames_sha256};
    folder_.finish(sidecar);
    return sidecar;
  }

  std::map<std::string, std::string> how(const Clip& clip) const {
    const Execution& execution = models_.execution();
    std::map<std::string, std::string> how{{"device", execution.device.str()},
                                           {"attention", models_.attention_name()},
                                           {"guidance_mode", options_.guidance_mode},
                                           {"threads", std::to_string(at::get_num_threads())},
                                           {"host", this_node().host},
                                           {"steps_resumed", std::to_string(clip.steps_resumed)}};
    if (execution.device.is_cpu()) return how;
    std::uint64_t peak = 0;
    for (const auto& [stage, bytes] : clip.device_bytes) peak = std::max(peak, bytes);
    how["device_name"] = device_name(execution.device);
    how["device_peak"] = gibibytes(peak);
    how["placement"] = execution.residency == Residency::exchanged ? "swap" : "resident";
    how["text_device"] = execution.text_device.str();
    return how;
  }

  void done(std::size_t i, const Sidecar& sidecar) {
    queue_.done(i);
    display_.end(i);
    ++summary_.done;
    double seconds = 0;
    for (const auto& [stage, spent] : sidecar.seconds) seconds += spent;
    spdlog::info("{} in {:.1f} s ({} of {})", sidecar.video_file, seconds, summary_.done + summary_.skipped,
                 jobs_.size());
    if (options_.json) std::cout << done_line(sidecar) << std::endl;
  }

  void failed(std::size_t i, const Error& error) {
    if (queue_.failed(i, error.kind())) {
      spdlog::warn("{}; it will be tried again", error.what());
      return;
    }
    display_.end(i);
    ++summary_.failed;
    folder_.failed(jobs_[i], error);
    spdlog::error("{}", error.what());
    if (options_.json) std::cout << failed_line(jobs_[i], error) << std::endl;
  }

  const std::vector<Job>& jobs_;
  RunFolder& folder_;
  Models& models_;
  const RunOptions& options_;
  Recipe recipe_;
  Queue queue_;
  Display display_;
  Summary summary_;
};

}  // namespace

Summary work(const std::vector<Job>& jobs, RunFolder& folder, Models& models, const RunOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  Summary summary = Batch(jobs, folder, models, options).run();
  summary.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return summary;
}

}  // namespace wf
