// jobs/record/control.hpp: what users ask of a run from another terminal: files in OUTPUT/.wanfarm/control, which rank
// 0 looks for every five seconds and removes when it has obeyed. No port, no process to find: a shared disk is enough.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.hpp"

namespace wf {

struct ControlRequest {
  enum Action { drain, pause, resume, cancel, retry };
  Action action = drain;
  std::string clip = {};  ///< Name of a clip; "": all that it can mean (retry: all that have failed).
  bool operator==(const ControlRequest&) const = default;
};
std::string_view to_string(ControlRequest::Action action) noexcept;
/// Whether the action is about clips: it then makes sense without a run, too, for the next one.
bool is_about_clips(ControlRequest::Action action) noexcept;

/// Leaves the request and returns its file, which vanishes when the run has obeyed. Throws Error(storage).
Path leave_request(const Path& output, const ControlRequest& request);

/// Takes all requests, oldest first, and removes their files; those for which leaves() is true stay where they are.
/// Files that are no request are removed and logged. Costs one look at the folder when there is none. Throws
/// Error(storage).
std::vector<ControlRequest> take_requests(const Path& output,
                                          const std::function<bool(const ControlRequest&)>& leaves = {});

}  // namespace wf
