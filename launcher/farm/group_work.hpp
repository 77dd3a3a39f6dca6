// launcher/farm/group_work.hpp: what a rank does with clips, as the worker sees it: the pipeline's stages, or what a
// test puts in their place.
#pragma once

#include <functional>
#include <string>

#include "launcher/dispatch.hpp"
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
  virtual void take_role(Role role) = 0;  ///< loads what the role needs
  /// parcel: what the clip's earlier stages made, from park(); none: it begins, or goes on from its stored state.
  virtual void begin(std::size_t clip, const Bytes* parcel) = 0;
  /// One stage but write; high and low together with the group's other ranks. False: stopped on the way, and stored.
  virtual bool advance(Stage stage) = 0;
  virtual SecondsByStage seconds() const = 0;  ///< of the stages that were passed here from start to end
  virtual Bytes park() = 0;                    ///< the clip leaves
  /// The last stage and the final names, for any thread; the clip leaves.
  virtual std::function<Finished()> finish() = 0;
  /// Stores what is parked of a clip: a later run goes on from there.
  virtual void store(std::size_t clip, const Bytes& parcel) = 0;
};

}  // namespace wf
