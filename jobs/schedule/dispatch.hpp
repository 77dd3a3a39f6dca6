// launcher/dispatch.hpp: which group does what next. Reports of groups come in, orders to groups go out. Pure: no
// messages, no clock, no threads of its own.
#pragma once

#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "jobs/queue.hpp"
#include "launcher/forecast.hpp"
#include "launcher/route.hpp"

namespace wf {

/// Stages first..last of a clip (an index into the jobs) for one group.
struct Assignment {
  std::size_t clip;
  Stage first, last;
  int holder = -1;  ///< the group that holds what the clip's last leg made (its own number: no transfer); -1: nobody,
                    ///< start the clip, or go on from its stored state
};
struct ChangeRole {
  Role role;  ///< load that expert, then ask for work
};
struct Release {
  std::size_t clip;  ///< forget what is parked of it
};
struct NothingMore {};  ///< the last order to a group. After a drain: store what is parked, it is work left
struct Order {
  int group;
  std::variant<Assignment, ChangeRole, Release, NothingMore> what;
};

struct DispatchOptions {
  LightStages light = {};
  int retries = 2;
  int parked_per_group = 4;  ///< clips that a group keeps for the next one, of each stage that hands over; one group
                             ///< alone changes its expert after so many (phased)
  int parked_in_total = std::numeric_limits<int>::max();  ///< the same for all groups together
  double change_seconds = 60;                             ///< to load an expert
  double least_seconds_in_role = 600;
};

/// Predicted seconds of one stage of a clip; 0 for high or low: the clip has no steps for that expert.
using Predicted = std::function<double(const Job&, Stage)>;

/// Groups ask, and are answered when there is work for their role: by the queue's policy, as long as their parked clips
/// stay below the bounds. Groups without work change their role when the other role's work is behind by more than the
/// change costs. A group may ask again before its last clip is reported (its file is being written, or its state
/// parked). Of each event, `now` is in seconds of any clock that does not go back. Each call takes O(log clips + log
/// groups).
class Dispatch {
 public:
  /// groups[i] is the role of group i at the start: all resident, or none (high, low or both).
  Dispatch(const std::vector<Job>& jobs, const std::vector<Role>& groups, const Predicted& predicted,
           const DispatchOptions& options = {});

  // Before the first order: what earlier runs left.
  void finished_before(std::size_t clip);             ///< nothing is left to do
  void stored_before(std::size_t clip, Stage stage);  ///< its state was stored in that stage: it goes on there

  // Reports. Only of clips that the group was given and has not reported yet.
  void ask(int group);
  void pulled(int group, std::size_t clip);  ///< the group has the clip's state; the holder may forget it
  void handed_over(int group, std::size_t clip, const SecondsByStage& seconds);  ///< the leg is done, its state parked
  void done(int group, std::size_t clip, const SecondsByStage& seconds);         ///< written and published
  bool failed(int group, std::size_t clip, Error::Kind kind);                    ///< true: it will be tried again
  void interrupted(int group, std::size_t clip, Stage stage);                    ///< by a drain; its state is stored
  /// The group is gone, with what it parked. What it worked on counts as failed (it may be what killed it): the clips
  /// that will not be tried again are returned. All others wait again where they were last kept.
  std::vector<std::size_t> lost(int group);
  void stop() { stopped_ = true; }  ///< drain: no more assignments

  /// What to send now, in this order; to be called after each event or some of them.
  std::vector<Order> orders(double now);
  /// The assignment that orders() would give the group if it asked now, `without` these clips; empty: none. Nothing
  /// changes by it.
  std::optional<Assignment> peek(int group, const std::set<std::size_t>& without = {}) const;
  /// No clip is being worked on, and none will be.
  bool over() const;

  const Queue& queue() const { return queue_; }
  Role role(int group) const { return groups_.at(static_cast<std::size_t>(group)).role; }
  /// Clips whose state after that stage is parked, or will be, at one group or at all.
  int parked_at(int group, Stage last) const {
    return groups_.at(static_cast<std::size_t>(group)).slots.at(index(last));
  }
  int parked(Stage last) const { return slots_.at(index(last)); }

 private:
  struct Slot {  ///< room for one parked clip
    int group = -1;
    std::size_t stage = 0;  ///< the last that it has passed
  };
  struct Clip {
    std::size_t shape = 0;
    std::size_t leg = 0;      ///< of its shape's route: the one it waits for or is in
    std::size_t durable = 0;  ///< the leg to go back to when what was computed is lost
    std::size_t begun = 0;    ///< legs before this one are no longer in the forecast
    int group = -1;           ///< that works on it
    Slot parked, promised;    ///< where its state is; where it will be
    bool bereft = false;      ///< running, but its state was lost before it was pulled
  };
  using Counts = std::array<int, all_stages.size()>;
  struct Group {
    Role role = Role::resident;
    double since = -std::numeric_limits<double>::infinity();  ///< when it took the role
    bool alive = true, asks = false;
    std::set<std::size_t> running, parked;
    Counts slots = {};
  };
  /// Groups that ask, by what they may be given; among equals the longest in its role first.
  using Kind = std::pair<Role, Queue::Lanes>;
  using Asking = std::set<std::pair<double, int>>;

  Group& group(int number) { return groups_.at(static_cast<std::size_t>(number)); }
  static std::size_t index(Stage stage) { return static_cast<std::size_t>(stage); }
  static std::size_t index(Role role) { return static_cast<std::size_t>(role); }
  int lane_of(const Clip& clip) const { return routes_[clip.shape][clip.leg]; }
  std::size_t add_shape(const Job& job, const Predicted& predicted);
  Queue::Lanes full(const Counts& slots, int most) const;
  Kind kind(const Group& group) const;
  Queue::Lanes open(const Kind& kind) const;
  void set_asking(int number, bool asks);
  void set_slot(Slot& slot, int number, std::size_t stage);
  void free_slot(Slot& slot);
  void forget_parked(std::size_t clip);
  void set_begun(std::size_t clip, std::size_t leg);
  void wait_again(std::size_t clip, std::size_t leg);
  bool fail(std::size_t clip, Error::Kind kind);
  Clip& report(int group, std::size_t clip);
  void measure(const Clip& clip, const SecondsByStage& seconds);
  Assignment assignment(std::size_t job) const;
  void assign(int number, std::size_t job);
  void assign_all();
  bool change_pays(Role from, Role to) const;
  void change_roles(double now);

  DispatchOptions options_;
  Queue queue_;
  Forecast forecast_;
  Lanes lanes_;
  std::vector<std::vector<int>> routes_;  ///< by shape: lanes, in order
  std::vector<Clip> clips_;
  std::vector<Group> groups_;
  std::array<int, 3> members_ = {};  ///< living groups by role
  Counts slots_ = {};                ///< over all groups
  std::map<Kind, Asking> asking_;
  std::vector<Order> outbox_;
  bool stopped_ = false;
};

}  // namespace wf
