// tests/jobs/schedule/text_dispatch.hpp: a dispatcher whose orders are short texts, and jobs for it.
#pragma once

#include <string>
#include <vector>

#include "jobs/schedule/dispatch.hpp"

namespace wf {

inline constexpr Role high = Role::high, low = Role::low, resident = Role::resident;

inline Job job(int width = 64, int priority = 0) {
  Job job;
  job.width = width;
  job.priority = priority;
  return job;
}

/// Predicted times in proportion to the width: at a width of 64, 26 s for high and 14 s for low.
inline double seconds(const Job& job, Stage stage) {
  if (stage == Stage::high) return 26 * job.width / 64.0;
  return stage == Stage::low ? 14 * job.width / 64.0 : 0.1;
}
/// The same for a clip that has no steps in the stage `never`.
inline double without(Stage never, const Job& job, Stage stage) { return stage == never ? 0 : seconds(job, stage); }

/// An order as a short text: "GROUP: clip CLIP FIRST-LAST from HOLDER", "GROUP: change to ROLE" and so on.
inline std::string to_text(const Order& order) {
  const std::string to = std::to_string(order.group) + ": ";
  if (const auto* work = std::get_if<Assignment>(&order.what))
    return to + "clip " + std::to_string(work->clip) + " " + std::string(to_string(work->first)) + "-" +
           std::string(to_string(work->last)) + (work->holder < 0 ? "" : " from " + std::to_string(work->holder));
  if (const auto* change = std::get_if<ChangeRole>(&order.what))
    return to + (change->role == high ? "change to high" : "change to low");
  if (const auto* release = std::get_if<ReleaseState>(&order.what))
    return to + "release clip " + std::to_string(release->clip);
  return to + "no more work";
}

using Orders = std::vector<std::string>;

/// A dispatcher that gives its orders as texts. By default a group changes its role only if no group has the other
/// role.
struct TextDispatch : Dispatch {
  TextDispatch(const std::vector<Job>& jobs, const std::vector<Role>& groups,
               DispatchOptions options = {.change_seconds = 1e9}, const Predicted& predicted = seconds)
      : Dispatch(jobs, groups, predicted, options) {}
  Orders new_orders(double now = 0) {
    Orders all;
    for (const Order& order : orders(now)) all.push_back(to_text(order));
    return all;
  }
  Orders orders_after_ask(int group, double now = 0) { return ask(group), new_orders(now); }
};

}  // namespace wf
