#include "launcher/run/run_control.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "base/look_period.hpp"

namespace wf {

std::vector<UserRequest> RunControl::look(Taken taken) {
  const auto leaves = [&](const ControlRequest& request) {
    const bool left = taken == Taken::all_but_retries && request.action == ControlRequest::retry;
    if (left && !std::exchange(told_of_retries_, true))
      spdlog::warn("a user asks for clips to be tried again, but no more work is given out: the next start tries them");
    return left;
  };
  std::vector<UserRequest> requests;
  for (const ControlRequest& request : take_requests(output_, leaves)) {
    const auto named = std::ranges::find(jobs_, request.clip, &Job::name);
    if (request.clip.empty())
      requests.push_back({request.action});
    else if (named != jobs_.end())
      requests.push_back({request.action, static_cast<std::size_t>(named - jobs_.begin())});
    else
      spdlog::warn("a user asked to {} {}, which is no clip of this run", to_string(request.action), request.clip);
  }
  return requests;
}

std::vector<UserRequest> RunControl::take(Taken taken) {
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_at_ < look_period) return {};
  looked_at_ = now;
  return look(taken);
}

std::vector<UserRequest> RunControl::take_earlier(bool is_restart) {
  std::vector<UserRequest> requests = look(Taken::all);
  if (!is_restart) std::erase_if(requests, [](const UserRequest& request) { return !is_about_clips(request.action); });
  return requests;
}

}  // namespace wf
