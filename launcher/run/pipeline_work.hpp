// launcher/run/pipeline_work.hpp: the real work of a rank on clips: the stages of the pipeline, and the files in the
// output folder.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/trace.hpp"
#include "jobs/output/publish.hpp"
#include "launcher/options/run_options.hpp"
#include "launcher/run/group_work.hpp"
#include "launcher/run/messages.hpp"
#include "pipeline/stages/stages.hpp"
#include "pipeline/stages/state_writer.hpp"

namespace wf {

/// Called before each step with what the rank is doing; returning false requests a stop.
using Gate = std::function<bool(const Activity&)>;

/// Seconds of a clock that never goes back.
double steady_seconds();

class PipelineWork final : public GroupWork {
 public:
  /// What all clips of the run share. The references outlive the work.
  struct Setting {
    const std::vector<Job>& jobs;
    Models& models;
    OutputFolder folder;
    const RunOptions& options;
    std::string placement, ranks;  ///< for sidecars: "pipeline 5:3, groups of 1", and "0-3", the ranks of this group
    bool leads = true;             ///< this rank leads its group: only leaders see files and stages that are not shared
    bool loads_behind = false;     ///< the low-noise expert is loaded once high-noise steps are computed
    std::vector<std::size_t> finished = {};  ///< indices of jobs whose clips need no work
    Gate gate;
    std::function<double()> now = steady_seconds;  ///< the clock by which states are stored
  };
  explicit PipelineWork(Setting setting);

  void take_role(Role role, const WeightPeer* peer) override;
  WeightLease lease(Role role) override;
  bool is_shared(Stage stage) const override;
  bool left_by_group() const override { return clip_->left_by_group; }
  void begin(std::size_t clip, const Bytes* state, Earlier earlier = Earlier::maybe) override;
  bool advance(Stage stage, const std::function<void()>& nearly_done) override;
  SecondsByStage seconds() const override;
  std::function<Bytes()> stash() override;
  std::function<FinishedClip()> finish() override;
  void store(std::size_t clip, const Bytes& state) override;

 private:
  const Job& job(std::size_t clip) const { return setting_.jobs.at(clip); }
  Clip start_clip(const Job& job) const;
  bool drafts() const { return setting_.options.planning.choices.draft; }
  void make_draft();
  void keep_if_due(const Denoising& state);
  void keep_between_stages();
  void offer(StateToStore kept, double now);
  std::string context(const Job& job) const;
  bool go_on(const Activity& activity);
  void embed_texts_from(std::size_t first);
  void keep_latents() const;
  Sidecar publish(const Clip& clip) const;
  void publish_sheet(const Clip& clip) const;
  std::map<std::string, std::string> how(const Clip& clip) const;

  Setting setting_;
  Recipe recipe_;
  Path scratch_ = {};                ///< a folder on a disk of this node, where videos are made; empty: nowhere else
  ModelRecord model_;                ///< only leaders need it
  std::size_t number_ = 0;           ///< index of the current clip
  std::set<std::size_t> past_;       ///< clips that are finished, or were begun here
  std::optional<Clip> clip_;         ///< the current clip
  std::set<Stage> passed_;           ///< stages of it that this rank has computed
  std::optional<trace::Span> step_;  ///< the current denoising step
  StorePolicy policy_;               ///< of the current clip
  StateWriter states_;
};

}  // namespace wf
