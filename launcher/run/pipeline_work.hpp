// launcher/farm/pipeline_work.hpp: a rank's work on clips: the stages of the pipeline, and the files of the output
// folder.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cluster/trace.hpp"
#include "jobs/publish.hpp"
#include "launcher/farm/group_work.hpp"
#include "launcher/farm/letters.hpp"
#include "launcher/flags.hpp"
#include "pipeline/stages.hpp"

namespace wf {

/// Told before each step what the rank is at; false asks for a stop.
using Gate = std::function<bool(const Activity&)>;

class PipelineWork final : public GroupWork {
 public:
  /// What all clips of the run share. `placement` and `ranks` ("0-3", of this group) are for sidecars.
  struct Setting {
    const std::vector<Job>& jobs;
    Models& models;
    OutputFolder folder;
    const RunOptions& options;
    std::string placement, ranks;
    bool leads = true;  ///< the group: its other ranks neither see files nor stages of their own
    Gate gate;
  };
  explicit PipelineWork(Setting setting);

  void take_role(Role role, const Lender* lender) override;
  Lent lend(Role role) override;
  void begin(std::size_t clip, const Bytes* parcel) override;
  bool advance(Stage stage, const std::function<void()>& nearly_done) override;
  SecondsByStage seconds() const override;
  std::function<Bytes()> park() override;
  std::function<Finished()> finish() override;
  void store(std::size_t clip, const Bytes& parcel) override;

 private:
  const Job& job(std::size_t clip) const { return setting_.jobs.at(clip); }
  Clip start_clip(const Job& job) const;
  void embed_texts_from(std::size_t first);
  Sidecar publish(const Clip& clip) const;
  std::map<std::string, std::string> how(const Clip& clip) const;

  Setting setting_;
  Recipe recipe_;
  std::size_t number_ = 0;    ///< of the clip at work
  std::optional<Clip> clip_;  ///< at work
  std::set<Stage> passed_;    ///< by it, here
  std::optional<trace::Span> step_;
};

}  // namespace wf
