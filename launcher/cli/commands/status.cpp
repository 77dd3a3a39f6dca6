// launcher/cli/commands/status.cpp: wanfarm status RUN: shows how a run stands, from any terminal and any node.
#include <spdlog/fmt/fmt.h>

#include <chrono>
#include <iostream>
#include <memory>
#include <thread>

#include "base/clock.hpp"
#include "base/signals.hpp"
#include "launcher/cli/commands/commands.hpp"
#include "launcher/status/figures.hpp"
#include "launcher/status/redraw.hpp"
#include "launcher/status/status_json.hpp"
#include "launcher/status/status_text.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

struct StatusOptions {
  std::string run = "renders";
  bool watch = false, json = false, clips = false;
};

std::string dump(const nlohmann::ordered_json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string shown(const RunHistory& history, const StatusOptions& options, int indent) {
  if (options.json) return dump(status_json(history, unix_time(), options.clips), indent);
  return status_text(history, options.run, unix_time(), display_of_stdout());
}

/// What must change for a new text to be worth a reader's time, where it cannot replace the old one.
std::string gist_of(const RunHistory& history) {
  const ClipCounts counts = count_clips(history);
  return fmt::format("{} {} {}", state_of(history, unix_time()), counts.total, fmt::join(counts.by_state, " "));
}

/// False when the user wants no more.
bool wait_a_second() {
  for (int i = 0; i < 20 && !stop_requested(); ++i) std::this_thread::sleep_for(50ms);
  return !stop_requested();
}

/// Shows the run until it has ended.
void watch(const StatusOptions& options) {
  install_stop_signals();
  RunWatch run(options.run);
  Redraw screen;
  std::string gist;
  for (bool goes_on = true; goes_on; goes_on = goes_on && wait_a_second()) {
    run.update();
    const RunHistory& history = run.history();
    goes_on = liveness(history, unix_time()) != Liveness::ended;
    const std::string now = gist_of(history);
    if (!options.json)
      screen.show(shown(history, options, -1), now);
    else if (now != gist)
      std::cout << shown(history, options, -1) << std::flush;
    gist = now;
    if (!std::cout) return;  // whoever read it has gone
  }
}

int status(const StatusOptions& options) {
  if (options.watch)
    watch(options);
  else
    std::cout << shown(read_history(options.run), options, 1);
  return 0;
}

}  // namespace

Command status_command() {
  const auto options = std::make_shared<StatusOptions>();
  return {.name = "status",
          .summary = "Show how a run stands: its clips, its ranks, when it will end, what has failed",
          .examples =
              "  wanfarm status                       the run in the folder renders\n"
              "  wanfarm status renders --watch       until it ends; Ctrl-C leaves the run alone\n"
              "  wanfarm status renders --json | jq .clips\n",
          .flags = {{.names = "RUN",
                     .value = "FOLDER",
                     .help = "the output folder of a run that is at work or has ended (renders)",
                     .set = into(options->run),
                     .optional = true},
                    {"--watch,-w", "", "show it again each second, until the run has ended", into(options->watch)},
                    {"--json", "", "print one JSON object, with --watch one on each line", into(options->json)},
                    {"--clips", "", "with --json: also every clip, as \"clip_list\"", into(options->clips)}},
          .run = [options] { return status(*options); }};
}

}  // namespace wf
