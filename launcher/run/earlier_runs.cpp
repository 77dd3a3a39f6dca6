#include "launcher/run/earlier_runs.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <set>
#include <unordered_set>

#include "base/log.hpp"
#include "base/text.hpp"
#include "jobs/output/drafts.hpp"
#include "launcher/run/verify.hpp"
#include "pipeline/stages/solver.hpp"
#include "pipeline/stages/store.hpp"

namespace wf {
namespace {

void rename_clips(const RunFolder& folder, const std::vector<Job>& jobs, FinishedClips& clips) {
  for (const std::size_t clip : clips.renamed) {
    Sidecar& sidecar = clips.found.at(clip);
    const std::string before = sidecar.job.name;
    sidecar = rename_clip(folder, sidecar, jobs[clip]);
    spdlog::info("{} is finished: it was {} before, and is renamed", jobs[clip].name, before);
  }
}

/// Why a clip keeps its name is decided in jobs/output/finished.hpp: the list's name is taken, or a user gave this one.
void log_other_names(const std::vector<Job>& jobs, const FinishedClips& clips) {
  for (const auto& [clip, sidecar] : clips.found)
    if (sidecar.job.name != jobs[clip].name)
      spdlog::info("{} is finished: it stays where it is, as {}", jobs[clip].name, sidecar.job.name);
}

/// The stage in which a clip continues when this many of its steps are done.
Stage stage_at(const Job& job, std::int64_t step) {
  if (step >= job.steps) return Stage::decode;
  return step >= high_noise_steps(job) ? Stage::low : Stage::high;
}

/// What lies in the folder, by one look at each of its parts.
class LeftFiles {
 public:
  explicit LeftFiles(const RunFolder& folder)
      : drafts_(std::filesystem::exists(folder.output() / draft_file(""))),
        clips_(names_in(folder.output())),
        states_(names_in(folder.stored_state("any").parent_path())) {}

  bool state_of(const std::string& fingerprint) const { return states_.contains(fingerprint + ".h5"); }
  /// A file of its name, a state, or perhaps a draft.
  bool any_of(const Job& job, const std::string& fingerprint) const {
    const std::vector<std::string> files = files_of_clip(job.name);
    return drafts_ || state_of(fingerprint) ||
           std::ranges::any_of(files, [this](const std::string& file) { return clips_.contains(file); });
  }

 private:
  bool drafts_;
  std::unordered_set<std::string> clips_, states_;
};

/// By job; "" for a job whose seed is not drawn yet.
std::vector<std::string> fingerprints_of(const std::vector<Job>& jobs, const Recipe& recipe) {
  std::vector<std::string> fingerprints;
  for (const Job& job : jobs) fingerprints.push_back(job.seed ? fingerprint(job, recipe) : "");
  return fingerprints;
}

/// done: as for settle_earlier_runs().
FinishedClips look_for_finished(const Path& output, const std::vector<Job>& jobs,
                                const std::vector<std::string>& fingerprints, const RunOptions& options,
                                const std::set<std::string>& done) {
  std::vector<std::string> may_be_finished = fingerprints;
  if (options.force)
    for (std::string& each : may_be_finished)
      if (!done.contains(each)) each.clear();
  const bool drafts = options.planning.choices.draft;
  const VideoOptions& video = options.video;
  FinishedClips clips;
  if (!options.force || !done.empty())
    clips =
        find_finished(output, jobs, may_be_finished,
                      {.check = files_check(options.verify),
                       .other_names = !options.names_are_given,
                       .wanted = drafts ? Wanted() : Wanted{to_string(video.codec), video.save_latents, video.png}});
  if (options.force)  // else they are found with the others
    for (const auto& [clip, original] : find_copies(fingerprints))
      if (!clips.found.contains(clip)) clips.copies.emplace(clip, original);
  if (drafts) clips.replaced.clear();  // a draft has a place of its own
  return clips;
}

/// Clips of equal fingerprints share one state, which each draft of them is made from: there is no draft to copy.
void leave_copies_to_drafts(FinishedClips& clips) {
  std::erase_if(clips.copies, [&](const auto& copy) { return !clips.found.contains(copy.second); });
}

/// The clip's draft, if it is there with the state that `finish` continues from: then this run need not make it.
std::optional<Sidecar> earlier_draft(const RunFolder& folder, const Job& job, const std::string& fingerprint,
                                     const std::optional<std::int64_t>& stored_step) {
  if (stored_step.value_or(-1) < high_noise_steps(job)) return {};
  std::optional<Sidecar> draft = find_draft(folder.output(), job.name);
  if (!draft || draft->fingerprint != fingerprint) return {};
  draft->video_file = draft_file(draft->video_file);
  return draft;
}

}  // namespace

FinishedClips finished_clips(const Path& output, const std::vector<Job>& jobs, const Recipe& recipe,
                             const RunOptions& options) {
  return look_for_finished(output, jobs, fingerprints_of(jobs, recipe), options, {});
}

std::vector<std::string> rendered_again(const FinishedClips& clips, const std::vector<Job>& jobs,
                                        const Recipe& recipe) {
  std::set<std::string> values, missing;
  for (const auto& [clip, sidecar] : clips.replaced)
    for (std::string& value : differing_values(sidecar.job, sidecar.recipe, jobs[clip], recipe))
      values.insert(std::move(value));
  for (const auto& [clip, files] : clips.lacking) missing.insert(files.begin(), files.end());
  std::vector<std::string> sentences;
  const auto say = [&sentences](std::size_t count, const char* one, const char* many, const std::set<std::string>& what,
                                const char* end) {
    if (count == 0) return;
    sentences.push_back(fmt::format("{} {} ({}) and {}", count_text(count, "finished clip"), count == 1 ? one : many,
                                    fmt::join(what, ", "), end));
  };
  say(clips.replaced.size(), "has other values", "have other values", values, "will be replaced");
  say(clips.lacking.size(), "lacks what is asked for", "lack what is asked for", missing, "will be rendered again");
  return sentences;
}

EarlierRuns settle_earlier_runs(const RunFolder& folder, const std::vector<Job>& jobs, const Recipe& recipe,
                                const RunOptions& options, const std::set<std::string>& done) {
  const std::vector<std::string> fingerprints = fingerprints_of(jobs, recipe);
  FinishedClips clips = look_for_finished(folder.output(), jobs, fingerprints, options, done);
  for (const auto& [clip, fault] : clips.damaged) spdlog::warn("{}; the clip is rendered again", fault);
  for (const std::string& sentence : rendered_again(clips, jobs, recipe)) spdlog::warn("{}", sentence);
  rename_clips(folder, jobs, clips);
  log_other_names(jobs, clips);
  const bool drafts = options.planning.choices.draft;
  if (drafts) leave_copies_to_drafts(clips);
  EarlierRuns earlier;
  const LeftFiles left(folder);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (clips.contains(i)) continue;
    if (drafts || left.any_of(jobs[i], fingerprints[i])) earlier.on_disk.push_back(i);
    if (!left.state_of(fingerprints[i])) continue;
    const auto step = stored_step(folder.stored_state(fingerprints[i]), fingerprints[i]);
    const bool may_be_drafted = drafts && (!options.force || done.contains(fingerprints[i]));
    auto draft = may_be_drafted ? earlier_draft(folder, jobs[i], fingerprints[i], step) : std::nullopt;
    if (draft)
      clips.found.emplace(i, std::move(*draft));
    else if (step)
      earlier.stored.emplace(i, stage_at(jobs[i], *step));
  }
  earlier.fingerprints = fingerprints;
  earlier.finished = std::move(clips.found);
  for (const auto& [clip, original] : clips.copies) {
    if (const auto found = earlier.finished.find(original); found != earlier.finished.end())
      earlier.finished.emplace(clip, copy_clip(folder, found->second, jobs[clip]));
    else
      earlier.copies.emplace(original, clip);
  }
  return earlier;
}

std::vector<std::size_t> not_to_render(const EarlierRuns& earlier) {
  std::vector<std::size_t> clips;
  for (const auto& [clip, sidecar] : earlier.finished) clips.push_back(clip);
  for (const auto& [original, copy] : earlier.copies) clips.push_back(copy);
  std::ranges::sort(clips);
  return clips;
}

}  // namespace wf
