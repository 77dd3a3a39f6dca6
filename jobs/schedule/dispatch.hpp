// jobs/schedule/dispatch.hpp: decides which group of ranks does what next: it is told what groups report, and answers
// with orders to them. Pure: no messages, no clock, no threads of its own. A *leg* is the consecutive stages of a clip
// that one group does.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "jobs/schedule/forecast.hpp"
#include "jobs/schedule/queue.hpp"
#include "jobs/schedule/route.hpp"

namespace wf {

/// Stages first to last (inclusive) of a clip for one group. `clip` is an index into the jobs.
struct Assignment {
  std::size_t clip;
  Stage first, last;
  /// The group that keeps the state made by the clip's previous leg; it may be the assigned group itself. -1: no group,
  /// so the clip starts from its job, or continues from the state stored on disk.
  int holder = -1;
};
/// The group loads the expert of this role, then asks for work.
struct ChangeRole {
  Role role;
};
/// The group forgets the state that it keeps of this clip.
struct ReleaseState {
  std::size_t clip;
};
/// The last order to a group. After stop() the group stores the states that it keeps on disk, for a later run.
struct NoMoreWork {};
struct Order {
  int group;
  std::variant<Assignment, ChangeRole, ReleaseState, NoMoreWork> what;
};

struct DispatchOptions {
  LightStages light = {};
  int retries = 2;  ///< How many more attempts a clip gets after its first has failed.
  /// How many states one group may keep for other groups, for each stage after which clips are handed over. A group
  /// that is alone (placement phased) takes this many clips through one expert before it loads the other.
  int stashed_per_group = 4;
  int stashed_in_total = std::numeric_limits<int>::max();  ///< The same bound for all groups together.
  double change_seconds = 60;                              ///< Seconds that a group takes to load the other expert.
  double least_seconds_in_role = 600;                      ///< Seconds that a group keeps a role at the least.
  std::set<int> keep_their_role = {};  ///< Groups that never change their role, whatever is left to do.
};

/// Predicted seconds of one stage of a clip. 0 for `high` or `low` means that the clip has no steps for that expert.
using Predicted = std::function<double(const Job&, Stage)>;

/// The scheduler of a run: answers groups that ask for work.
///
/// A group that asks is given the first clip of the queue whose next leg fits the group's role. Where there is none, or
/// the states kept for other groups would exceed their bounds, the request waits. An idle group changes its role when
/// one more group in the other role saves more time than the change costs. A group may ask again before it has reported
/// its last clip, whose file may still be being written or whose state may still be being copied.
///
/// Groups are numbers from 0, clips are indices into the jobs. Each call takes O(log clips + log groups); lost() takes
/// that for each clip of the group. Not thread-safe. A report that does not fit the orders (a clip that the group was
/// not given, or has already reported) throws Error(internal) and leaves the schedule as it was.
class Dispatch {
 public:
  /// groups[i] is the role of group i at the start: resident for all groups or for none.
  Dispatch(const std::vector<Job>& jobs, const std::vector<Role>& groups, const Predicted& predicted,
           const DispatchOptions& options = {});

  // ---- What earlier runs left; to be called before the first order

  /// Nothing is left to do for this clip.
  void finished_before(std::size_t clip);
  /// The clip's state was stored on disk during this stage, and the clip continues there.
  void stored_before(std::size_t clip, Stage stage);
  /// So many ranks were lost before while they worked on the clip. False when those are too many: it is given up.
  bool lost_before(std::size_t clip, int losses);

  // ---- Reports of groups

  /// The group wants work.
  void ask(int group);
  /// The group has received the clip's state, so the holder's copy is no longer needed.
  void fetched(int group, std::size_t clip);
  /// The group has done its leg and keeps the clip's state for the next group.
  void handed_over(int group, std::size_t clip, const SecondsByStage& seconds);
  /// The group has published the clip.
  void done(int group, std::size_t clip, const SecondsByStage& seconds);
  /// The group's attempt has failed. True when the clip will be tried again.
  bool failed(int group, std::size_t clip, Error::Kind kind);
  /// The group has stopped in this stage, after stop(), and has stored the clip's state on disk.
  void interrupted(int group, std::size_t clip, Stage stage);
  /// The group is gone, with the states that it kept. The clips that it worked on count as failed, since one of them
  /// may have caused the loss; a clip with which two groups were lost is not tried again. Those are returned. All
  /// others wait again, from where their state was last kept. Does nothing for a group that is already lost.
  std::vector<std::size_t> lost(int group);
  /// Ends the run early: no more clips are assigned.
  void stop() { stopped_ = true; }

  // ---- What users ask for

  /// Until resume(), no clip begins. Those that have begun go on.
  void pause() { paused_ = true; }
  void resume() { paused_ = false; }
  /// The clip is not wanted any more. True if it was waiting, and has now failed for good. A clip that a group works on
  /// is given up once that group has reported it.
  bool give_up(std::size_t clip);
  /// A clip that has failed for good waits again, as if it had never been tried. False for any other clip.
  bool retry(std::size_t clip);

  // ---- Orders to groups

  /// The orders to send now, in this sequence. To be called after one or several reports. `now`: seconds of any clock
  /// that never goes back.
  std::vector<Order> orders(double now);
  /// The assignment that the group would get if it asked now and the excluded clips were not there. Changes nothing.
  std::optional<Assignment> peek(int group, const std::set<std::size_t>& excluded = {}) const;
  /// Whether no clip is being worked on, and none will be: clips that only lost groups could do are left.
  bool over() const;
  /// The role that the group has, or is changing to.
  Role role(int group) const { return groups_.at(static_cast<std::size_t>(group)).role; }

 private:
  /// Room for one clip's state at a group, counted under the last stage that the clip has passed.
  struct Slot {
    int group = -1;  ///< -1: no room is taken.
    std::size_t stage = 0;
  };
  struct Clip {
    std::size_t shape = 0;
    std::size_t leg = 0;          ///< Index in the shape's route of the leg that the clip waits for or is in.
    std::size_t restart_leg = 0;  ///< The leg to continue with when the state made since then is lost.
    std::size_t legs_begun = 0;   ///< How many legs the forecast no longer counts as work left.
    int group = -1;               ///< The group that works on the clip; -1: none.
    Slot stashed;                 ///< Where the clip's state is kept.
    Slot reserved;                ///< Where its state will be kept after the leg that it is in.
    int losses = 0;               ///< Groups that were lost while they worked on the clip.
    bool state_lost = false;      ///< Whether its state was lost before the group that works on it had fetched it.
  };
  using Counts = std::array<int, all_stages.size()>;
  struct Group {
    Role role = Role::resident;
    double since = -std::numeric_limits<double>::infinity();  ///< When the group took its role.
    bool alive = true, asks = false;
    bool keeps_its_role = false;
    std::set<std::size_t> running, stashed;  ///< Clips that it works on, and clips whose state it keeps.
    Counts slots = {};                       ///< Slots taken or reserved at this group, by stage.
  };
  /// What determines the work that a group may be given. The queue is searched once for all groups of equal
  /// eligibility.
  struct Eligibility {
    Role role;
    Queue::Levels levels;  ///< Levels of the role, without those for which the group's own slots are all taken.
    auto operator<=>(const Eligibility&) const = default;
  };
  /// Groups that ask, as (when it took its role, its number): the one that has had its role for longest comes first.
  using Asking = std::set<std::pair<double, int>>;

  static std::size_t index(Stage stage) { return static_cast<std::size_t>(stage); }
  static std::size_t index(Role role) { return static_cast<std::size_t>(role); }
  Group& group(int number);
  Clip& clip_of(int group, std::size_t clip);
  const Route& route_of(const Clip& clip) const { return routes_[clip.shape]; }
  int level_of(const Clip& clip) const { return route_of(clip)[clip.leg]; }
  std::size_t add_shape(const Job& job, const Predicted& predicted);

  Queue::Levels full_levels(const Counts& slots, int bound) const;
  Eligibility eligibility(const Group& group) const;
  Queue::Levels open_levels(const Eligibility& eligibility) const;
  void set_asking(int number, bool asks);
  void take_slot(Slot& slot, int number, std::size_t stage);
  void free_slot(Slot& slot);
  void free_stashed(std::size_t clip);

  void set_legs_begun(std::size_t clip, std::size_t legs);
  void wait_for_leg(std::size_t clip, std::size_t leg);
  void end_work(int group, std::size_t clip);
  void measure(const Clip& clip, const SecondsByStage& seconds);
  bool fail(std::size_t clip, Error::Kind kind);

  Assignment assignment(std::size_t clip) const;
  void assign(int number, std::size_t clip);
  void assign_all();
  bool change_pays(Role from, Role to) const;
  void change_roles(double now);
  bool can_go_on() const;

  DispatchOptions options_;
  Queue queue_;
  Forecast forecast_;
  LegLevels levels_;
  std::vector<Route> routes_;  ///< By shape.
  std::vector<Clip> clips_;
  std::vector<Group> groups_;
  std::array<int, 3> groups_in_role_ = {};  ///< Living groups, by role.
  Counts slots_ = {};                       ///< Slots taken or reserved at all groups together, by stage.
  std::map<Eligibility, Asking> asking_;
  std::vector<Order> pending_orders_;
  bool stopped_ = false, paused_ = false;
};

}  // namespace wf
