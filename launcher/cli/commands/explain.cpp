// launcher/cli/commands/explain.cpp: wanfarm explain RUN CLIP: shows what became of a clip, and what to do about it.
#include <chrono>
#include <iostream>
#include <memory>

#include "base/clock.hpp"
#include "launcher/cli/commands/commands.hpp"
#include "launcher/status/explanation.hpp"

namespace wf {
namespace {

struct ExplainOptions {
  std::string run, clip;
  bool json = false;
};

int explain(const ExplainOptions& options) {
  using Json = nlohmann::ordered_json;
  const RunHistory history = read_history(options.run);
  const std::size_t clip = history.find(options.clip);
  const double now = unix_time();
  std::cout
      << (options.json
              ? explanation_json(history, clip, options.run, now).dump(1, ' ', false, Json::error_handler_t::replace) +
                    "\n"
              : explanation_text(history, clip, options.run, now, display_of_stdout()));
  return 0;
}

}  // namespace

Command explain_command() {
  const auto options = std::make_shared<ExplainOptions>();
  return {.name = "explain",
          .summary = "Show what became of a clip: its history, what it took, why it failed and what to do",
          .examples =
              "  wanfarm explain renders 7            by its number in the list\n"
              "  wanfarm explain renders 0007-a-red-kite-s42\n"
              "  wanfarm explain renders 7 --json | jq .events\n",
          .flags = {{"RUN", "FOLDER", "the output folder of a run that is at work or has ended", into(options->run)},
                    {"CLIP", "CLIP", "its name, its number in the list, or the beginning of its fingerprint",
                     into(options->clip)},
                    {"--json", "", "print one JSON object", into(options->json)}},
          .run = [options] { return explain(*options); }};
}

}  // namespace wf
