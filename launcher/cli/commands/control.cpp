// launcher/cli/commands/control.cpp: wanfarm control RUN ACTION: asks a run that is at work to do something, from any
// terminal and any node that sees its folder.
#include "jobs/record/control.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <thread>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/look_period.hpp"
#include "base/text.hpp"
#include "jobs/record/history.hpp"
#include "jobs/record/shards.hpp"
#include "launcher/cli/commands/commands.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

struct ControlOptions {
  std::string run;
  ControlRequest::Action action = ControlRequest::drain;
  std::vector<std::string> clips;
};

/// The name of the clip that the user means. Throws Error(input) when nothing can be done with it.
std::string checked_name(const RunHistory& history, const ControlOptions& options, const std::string& which) {
  const ClipHistory& clip = history.clips[history.find(which)];
  const std::string& name = clip.clip.job.name;
  if (clip.state == ClipState::done)
    throw Error(Error::input, name + " is done already" +
                                  (options.action == ControlRequest::cancel
                                       ? ""
                                       : "; to render it anew, remove " + name + ".json and render the list again"));
  return name;
}

std::vector<ControlRequest> requests_of(const RunHistory& history, const ControlOptions& options) {
  const std::string action(to_string(options.action));
  if (!is_about_clips(options.action) && !options.clips.empty())
    throw Error(Error::input, action + " takes no clip: it is about the whole run");
  if (options.action == ControlRequest::cancel && options.clips.empty())
    throw Error(Error::input, "cancel needs the names or numbers of the clips");
  std::vector<ControlRequest> requests;
  for (const std::string& clip : options.clips)
    requests.push_back({options.action, checked_name(history, options, clip)});
  if (requests.empty()) requests.push_back({options.action});
  return requests;
}

/// The run looks every five seconds, and a shared disk may show it a file some seconds late.
constexpr auto patience = 3 * look_period;

/// Removes the requests that the run has taken from the list, for a while or until none is left.
void wait_for_run(std::vector<Path>& files) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!files.empty() && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(1s);  // somebody waits
    std::error_code error;
    std::erase_if(files, [&](const Path& file) { return !std::filesystem::exists(file, error); });
  }
}

/// What the run does now.
std::string effect_of(const ControlOptions& options) {
  switch (options.action) {
    case ControlRequest::drain:
      return "it finishes its steps, keeps what is computed, and ends with exit code 75";
    case ControlRequest::pause:
      return "no clip begins until `wanfarm control " + options.run + " resume`";
    case ControlRequest::resume:
      return "clips begin again";
    case ControlRequest::cancel:
      return "`wanfarm control " + options.run + " retry CLIP` would bring them back";
    case ControlRequest::retry:
      return "they are tried again";
  }
  return "";
}

/// There is nobody to obey. What is about clips waits for the next start of the run.
int leave_for_later(const ControlOptions& options, const std::vector<ControlRequest>& requests) {
  if (!is_about_clips(options.action))
    throw Error(Error::environment, "no run is at work in " + options.run + ": there is nothing to " +
                                        std::string(to_string(options.action)));
  for (const ControlRequest& request : requests) leave_request(options.run, request);
  std::cout << "no run is at work in " << options.run << ": " << to_string(options.action)
            << " takes effect when it is started again\n";
  return 0;
}

/// The run is there, but has not looked, or gives out no more work that could be tried again. What is about the whole
/// run would surprise its user later.
int give_up(const ControlOptions& options, const std::vector<Path>& files) {
  if (is_about_clips(options.action)) {
    fmt::print("the run in {} has not taken it for {} s: {} takes effect when it does, or when it is started again\n",
               options.run, patience.count(), to_string(options.action));
    return 0;
  }
  std::error_code error;
  for (const Path& file : files) std::filesystem::remove(file, error);
  throw Error(Error::environment, fmt::format("the run in {} has not looked for {} s; the request is withdrawn",
                                              options.run, patience.count()));
}

int control(const ControlOptions& options) {
  const RunHistory history = read_history(options.run);
  if (history.shards.all > 0)
    throw Error(Error::input, options.run + " holds shards, each with a run of its own: name one, such as " +
                                  shard_folder(options.run, shards_in(options.run).front()).string());
  const std::vector<ControlRequest> requests = requests_of(history, options);
  if (liveness(history, unix_time()) != Liveness::alive) return leave_for_later(options, requests);
  std::vector<Path> files;
  for (const ControlRequest& request : requests) files.push_back(leave_request(options.run, request));
  wait_for_run(files);
  if (!files.empty()) return give_up(options, files);
  std::cout << to_string(options.action) << ": taken by the run on " << (history.info ? history.info->host : "?")
            << "; " << effect_of(options) << "\n";
  return 0;
}

}  // namespace

Command control_command() {
  const auto options = std::make_shared<ControlOptions>();
  Choices<ControlRequest::Action> actions;
  for (const auto action : {ControlRequest::drain, ControlRequest::pause, ControlRequest::resume,
                            ControlRequest::cancel, ControlRequest::retry})
    actions.emplace_back(to_string(action), action);
  return {.name = "control",
          .summary = "Drain, pause or resume a run that is at work; cancel clips, or try them again",
          .examples =
              "  wanfarm control renders drain        stop early; the same command goes on later\n"
              "  wanfarm control renders pause        let no clip begin, until: wanfarm control renders resume\n"
              "  wanfarm control renders cancel 7 9   by number or name\n"
              "  wanfarm control renders retry        all that have failed\n",
          .flags = {{"RUN", "FOLDER", "the output folder of the run", into(options->run)},
                    choice_flag("ACTION", actions, "what it shall do", options->action),
                    {.names = "CLIP",
                     .value = "CLIP",
                     .help = "names or numbers of clips, for cancel and retry",
                     .set = [options](const std::string& clip) { options->clips.push_back(clip); },
                     .optional = true,
                     .several = true}},
          .run = [options] { return control(*options); }};
}

}  // namespace wf
