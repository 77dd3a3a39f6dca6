// launcher/run/group_work.hpp: what a rank computes, as the worker sees it: the pipeline's stages, or a test's
// stand-in.
#pragma once

#include <functional>
#include <string>

#include "cluster/transport.hpp"
#include "jobs/output/publish.hpp"
#include "jobs/schedule/dispatch.hpp"
#include "parallel/weight_lease.hpp"

namespace wf {

/// A clip whose files are complete, under their final names.
struct FinishedClip {
  SecondsByStage seconds = {};
  std::string sidecar;  ///< JSON
};

/// The clips of a rank, one at a time. Clips are indices into the run's jobs. An exception is the failure of the clip,
/// unless the ranks of a group are in a stage together: then it is the group's. Called by the computing thread, but for
/// lease() and the functions that stash() and finish() return.
class GroupWork {
 public:
  virtual ~GroupWork() = default;
  /// Loads what the role needs, after what makes room for it has left the device.
  /// peer: a rank of the node that may hold the expert in its GPU's memory; null: none is known.
  virtual void take_role(Role role, const WeightPeer* peer) = 0;
  /// The role's expert, if this rank holds it now, for another rank to copy. May be called by any thread.
  virtual WeightLease lease(Role role) = 0;
  /// Whether all ranks of the group compute this stage of the current clip together. The leader does the others alone.
  virtual bool is_shared(Stage stage) const = 0;
  /// After advance() threw in such a stage: whether the other ranks have left it, so that the clip alone has failed.
  virtual bool left_by_group() const = 0;
  /// Begins a clip. state: what its earlier stages made, as stash() gave it; null: the clip starts from its prompt, or
  /// from what an earlier attempt stored, which may be later than its first stage. earlier: whether there can have been
  /// one, or anything else of the clip on the disk.
  virtual void begin(std::size_t clip, const Bytes* state, Earlier earlier) = 0;
  /// Computes one stage other than write, together with the other ranks of the group if it is shared. Returns false if
  /// a stop was requested before the stage was done; the clip's state is then on the disk. nearly_done: called once
  /// when the last step begins, or the stage itself if it has no steps; may be empty.
  virtual bool advance(Stage stage, const std::function<void()>& nearly_done) = 0;
  /// Seconds of the stages that this rank computed from start to end for the current clip.
  virtual SecondsByStage seconds() const = 0;
  /// Ends work on the clip. The function, which any thread may call, gives the clip's state as bytes for begin() on any
  /// rank.
  virtual std::function<Bytes()> stash() = 0;
  /// Ends work on the clip. The function, which any thread may call, completes and publishes its files.
  virtual std::function<FinishedClip()> finish() = 0;
  /// Stores a stashed state on the disk, where a later run resumes the clip.
  virtual void store(std::size_t clip, const Bytes& state) = 0;
};

}  // namespace wf
