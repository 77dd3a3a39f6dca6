// launcher/farm/group_work.hpp: what a rank does with clips, as the worker sees it: the pipeline's stages, or what a
// test puts in their place.
#pragma once

#include <functional>
#include <string>

#include "launcher/dispatch.hpp"
#include "parallel/lender.hpp"
#include "parallel/mail.hpp"

namespace wf {

/// A clip that is complete, under its final names.
struct Finished {
  SecondsByStage seconds = {};
  std::string sidecar;  ///< JSON
};

/// One clip at a time; clips are indices into the run's jobs. Errors are the clip's, unless a group's ranks are in a
/// stage together.
class GroupWork {
 public:
  virtual ~GroupWork() = default;
  /// Loads what the role needs, after what made room for it has left. lender: of the machine, which may have it; null:
  /// none is known.
  virtual void take_role(Role role, const Lender* lender) = 0;
  virtual Lent lend(Role role) = 0;  ///< what the role needs, if it is here now. For any thread
  /// parcel: what the clip's earlier stages made, from park(); none: it begins, or goes on from its stored state.
  virtual void begin(std::size_t clip, const Bytes* parcel) = 0;
  /// One stage but write; high and low together with the group's other ranks. False: stopped on the way, and stored.
  /// nearly_done: called once when the last step begins, or the stage where it has none; empty: nobody wants to know.
  virtual bool advance(Stage stage, const std::function<void()>& nearly_done) = 0;
  virtual SecondsByStage seconds() const = 0;  ///< of the stages that were passed here from start to end
  /// What it has made, for begin() on any rank, to be called by any thread; the clip leaves.
  virtual std::function<Bytes()> park() = 0;
  /// The last stage and the final names, for any thread; the clip leaves.
  virtual std::function<Finished()> finish() = 0;
  /// Stores what is parked of a clip: a later run goes on from there.
  virtual void store(std::size_t clip, const Bytes& parcel) = 0;
};

}  // namespace wf
