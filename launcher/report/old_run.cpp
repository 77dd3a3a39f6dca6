#include "launcher/report/old_run.hpp"

#include <algorithm>
#include <tuple>

#include "base/error.hpp"
#include "jobs/output/sidecar.hpp"

namespace wf {
namespace {

ClipHistory clip_of(Sidecar sidecar) {
  ClipHistory clip;
  clip.clip = {std::move(sidecar.job), std::move(sidecar.fingerprint)};
  clip.state = ClipState::done;
  clip.file = std::move(sidecar.video_file);
  clip.seconds = std::move(sidecar.seconds);
  return clip;
}

}  // namespace

RunHistory history_from_sidecars(const Path& output) {
  RunHistory history;
  history.output = output;
  history.exit_code = 0;  // at least it is not at work
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(output, ignored)) {
    if (entry.path().extension() != ".json") continue;
    try {
      history.clips.push_back(clip_of(read_sidecar(entry.path())));
    } catch (const Error&) {
      continue;  // another JSON file
    }
  }
  std::ranges::sort(history.clips, {},
                    [](const ClipHistory& clip) { return std::tie(clip.clip.job.index, clip.clip.job.name); });
  return history;
}

}  // namespace wf
