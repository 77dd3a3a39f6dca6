#include "jobs/record/advice.hpp"

#include <algorithm>
#include <array>

namespace wf {
namespace {

struct Advice {
  std::string_view kind, cause, what_to_do;
};

constexpr std::array<Advice, 7> advices{{
    {"input", "Its values are wrong.", "Mend the prompt or the values in the list."},
    {"environment", "The model, a GPU or the node cannot be used.", "Run `wanfarm doctor`, and mend what it names."},
    {"storage", "A file could not be written.", "Make room on the disk, or mend its permissions."},
    {"transient", "Something failed that may not fail again.", "Try it again."},
    {"resource", "Memory ran out, or other ranks could not be reached.",
     "Give it a smaller size or fewer frames, or render with --placement swap or --text-device cpu."},
    {"permanent", "It fails in this way every time.",
     "Try another guidance, seed or number of steps; if other clips fail like it, check the model's weights."},
    {"internal", "This is a fault of wanfarm.", "Report it with the files in the run's folder `log`."},
}};

const Advice* find(std::string_view kind) {
  const auto found = std::ranges::find(advices, kind, &Advice::kind);
  return found == advices.end() ? nullptr : &*found;
}

std::string again(const std::string& run, const std::string& name) {
  return " The next start of the run tries it again; in a run that is at work, `wanfarm control " + run + " retry " +
         name + "` does.";
}

}  // namespace

std::string_view cause_of(std::string_view error_kind) {
  const Advice* const found = find(error_kind);
  return found ? found->cause : "It failed.";
}

std::string_view advice_on(std::string_view error_kind) {
  const Advice* const found = find(error_kind);
  return found ? found->what_to_do : "Try it again.";
}

std::string cause_of(const ClipHistory& clip) {
  switch (clip.state) {
    case ClipState::done:
      return clip.found ? "It was finished by an earlier run." : "It is done.";
    case ClipState::running:
      return "It is being rendered.";
    case ClipState::cancelled:
      return "A user cancelled it.";
    case ClipState::failed:
      return std::string(cause_of(clip.error_kind));
    case ClipState::quarantined:
      return "Ranks were lost while they rendered it, and it may be the reason.";
    case ClipState::waiting:
      break;
  }
  return clip.attempts == 0 ? "It has not begun." : "It has begun, and goes on when a rank takes it.";
}

std::string advice_on(const ClipHistory& clip, const std::string& run) {
  const std::string& name = clip.clip.job.name;
  switch (clip.state) {
    case ClipState::failed:
      return std::string(advice_on(clip.error_kind)) + again(run, name);
    case ClipState::quarantined:
      return "Render it alone, with `--only " + name + " --ranks 1`, to see why." + again(run, name);
    case ClipState::cancelled:
      return "`wanfarm control " + run + " retry " + name + "` brings it back.";
    default:
      return "";
  }
}

}  // namespace wf
