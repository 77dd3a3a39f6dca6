// launcher/planner/time_model.hpp: how long the stages of a clip take on a group: a L + b L^2 for a forward, shared by
// the group's ranks, and what they send each other. docs/placement.md derives it.
#pragma once

#include <cstdint>
#include <vector>

#include "jobs/job.hpp"
#include "launcher/planner/hardware.hpp"
#include "launcher/planner/placement.hpp"
#include "pipeline/model_parts.hpp"

namespace wf {

/// Clips of a list that take the same time.
struct ClipShape {
  Job job;  ///< one of them
  std::int64_t tokens = 0, high_steps = 0, low_steps = 0, clips = 0;
};

/// The shapes of a list, in the order of their first clips.
std::vector<ClipShape> shapes_of(const std::vector<Job>& jobs);

/// Of a number in activations and weights: 2 in exact, 4 in reference.
constexpr std::int64_t number_bytes(Precision precision) { return precision == Precision::exact ? 2 : 4; }

/// The arithmetic of a model in shares of the published one's, for which figures are given: of a forward what grows
/// with the tokens and with their square, of decoding a pixel of a frame, of a text.
struct RelativeWork {
  double token = 1, pair = 1, pixel = 1, text = 1;
};
RelativeWork relative_work(const ModelParts& parts);

/// One forward, as the slowest rank of a group sees it.
struct ForwardSeconds {
  double compute = 0, communication = 0;
  double total() const { return compute + communication; }
};
ForwardSeconds forward_seconds(const Hardware& hardware, const ModelParts& parts, const Degrees& degrees,
                               std::int64_t tokens);

/// Seconds of one clip in a group. Of `execution` TF32 counts.
struct StageSeconds {
  double text = 0, high = 0, low = 0, decode = 0;
  double transfer = 0;  ///< of what the high-noise expert made, to another group
  double exchange = 0;  ///< to get an expert from host memory, or from files in the page cache
  double pin = 0;       ///< room in host memory for an expert, before it is first copied there; 0 on CPUs
};
StageSeconds stage_seconds(const Hardware& hardware, const ModelParts& parts, const PlacementPlan& plan,
                           const ClipShape& shape, const Execution& execution);

/// Those that a stage keeps its group for: 0 for write, which host threads do beside the next clip.
double seconds_in(const StageSeconds& seconds, Stage stage);

/// Where experts take turns, and ranks of a machine read them together, the low-noise one comes first and has to leave
/// again: it is in pinned host memory before the first clip.
bool low_starts_on_host(const Hardware& hardware, const PlacementPlan& plan);

/// Before the first clip: weights from the page cache to the GPU, and what is pinned by then.
double start_seconds(const Hardware& hardware, const ModelParts& parts, const PlacementPlan& plan);

}  // namespace wf
