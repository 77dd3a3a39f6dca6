// launcher/planner/time_model.hpp: how long the stages of a clip take on a group. A forward of L tokens takes a L + b
// L^2, shared by the group's ranks, and the time of their communication. docs/placement.md derives the formulas.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "jobs/job.hpp"
#include "jobs/schedule/step_forwards.hpp"
#include "launcher/planner/hardware.hpp"
#include "launcher/planner/placement.hpp"
#include "pipeline/experts/model_parts.hpp"

namespace wf {

/// Clips of a list that take the same time.
struct PlannedShape {
  Job job;  ///< one of them
  std::int64_t tokens = 0, high_steps = 0, low_steps = 0, clips = 0;
  std::vector<StepForwards> forwards = {};  ///< of each step; the first high_steps are the high-noise expert's

  /// The part of `forwards` that is an expert's.
  std::span<const StepForwards> forwards_of(Expert which) const;
  /// Forwards that all steps of an expert compute: two a step where it is guided, else one, but those that are saved.
  std::int64_t high_forwards() const;
  std::int64_t low_forwards() const;
};

/// The shapes of a list, in the order of their first clips.
std::vector<PlannedShape> shapes_of(const std::vector<Job>& jobs);

/// The arithmetic of a model divided by that of the published one, for which GpuFigures hold: of a forward the parts
/// that grow with the tokens and with their square, of decoding one pixel of a frame, and of embedding a text.
struct RelativeWork {
  double token = 1, pair = 1, pixel = 1, text = 1;
};
RelativeWork relative_work(const ModelParts& parts);

/// The time of forwards divided by that in `exact`: of the parts that grow with the tokens and with their square.
struct PrecisionFactors {
  double token = 1, pair = 1;
};

/// Seconds of one forward on the slowest rank of a group, in the model's precision, in another, or with other factors.
/// Exact blocks are not looked at.
struct ForwardSeconds {
  double compute = 0, communication = 0;
  double total() const { return compute + communication; }
};
ForwardSeconds forward_seconds(const Hardware& hardware, const ModelParts& parts, const Degrees& degrees,
                               std::int64_t tokens);
ForwardSeconds forward_seconds(const Hardware& hardware, const ModelParts& parts, const Degrees& degrees,
                               std::int64_t tokens, Precision precision);
ForwardSeconds forward_seconds(const Hardware& hardware, const ModelParts& parts, const Degrees& degrees,
                               std::int64_t tokens, const PrecisionFactors& factors);

/// Seconds of one clip in a group. A draft has no low-noise steps.
struct StageSeconds {
  double text = 0, high = 0, low = 0, decode = 0;
  double transfer = 0;  ///< Moving the state after the high-noise expert to another group.
  double exchange = 0;  ///< Loading an expert from host memory, or from files in the page cache.
  double pin = 0;       ///< Pinning host memory for an expert, beside other work; 0 on CPUs.
};
/// Saved forwards take no time. Only tf32, vae, backend, precision and fp8_exact_steps of `execution` are read.
StageSeconds stage_seconds(const Hardware& hardware, const ModelParts& parts, const PlacementPlan& plan,
                           const PlannedShape& shape, const Execution& execution);

/// Seconds that a stage occupies its group: 0 for write, which host threads do while the group computes the next clip.
double seconds_in(const StageSeconds& seconds, Stage stage);

/// True when the low-noise expert is in pinned host memory before it is first used: where experts are exchanged, and it
/// is loaded there behind the first clip's high-noise steps; or several ranks of a node share the reading, so that it
/// is loaded first and then makes room for the other one.
bool low_starts_on_host(const Hardware& hardware, const PlacementPlan& plan);

/// Seconds before the first clip: loading weights from the page cache to the GPU, and what is left of pinning memory
/// where an expert has to leave before the first clip.
double start_seconds(const Hardware& hardware, const ModelParts& parts, const PlacementPlan& plan);

}  // namespace wf
