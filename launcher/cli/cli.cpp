#include "launcher/cli.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>

#include "cluster/error.hpp"
#include "cluster/node.hpp"
#include "jobs/suggest.hpp"
#include "launcher/version.hpp"

namespace wf {
namespace {

constexpr const char* summary =
    "wanfarm renders lists of prompts into videos with Wan 2.2 text-to-video models.\n"
    "Start with: wanfarm render examples/prompts.yaml";
constexpr const char* exit_codes =
    "Exit codes: 0 all done, 1 some clips failed, 2 input wrong, 3 environment (model, GPU, folder in use), 5 disk,\n"
    "75 stopped with work left (run the same command again), 130/143 cut short by a second signal.";

using Words = std::vector<std::string>;

/// The name of the flag that was typed, for messages: a flag may have several.
std::string typed_name(const Flag& flag, const Words& words) {
  const Words names = split_names(flag.names);
  for (const std::string& name : names) {
    for (const std::string& word : words) {
      if (word.substr(0, word.find('=')) == name) return name;
    }
  }
  return names.front();
}

/// The flag's name goes in front of what its setter complains about.
void set_named(const Flag& flag, const Words& words, const std::string& value) {
  try {
    flag.set(value);
  } catch (const Error& error) {
    throw Error(error.kind(), typed_name(flag, words) + ": " + error.what());
  }
}

void add_flag(CLI::App& app, const Flag& flag, const Words& words) {
  CLI::Option* option = nullptr;
  if (is_switch(flag)) {
    const auto set = [flag, words](std::int64_t count) { set_named(flag, words, count > 0 ? "true" : "false"); };
    option = app.add_flag_function(flag.names, set, flag.help);
  } else {
    const auto set = [flag, words](const std::string& value) { set_named(flag, words, value); };
    option = app.add_option_function<std::string>(flag.names, set, flag.help);
    option->type_name(flag.value)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }
  if (is_argument(flag)) option->required(!flag.optional);
  option->group(is_argument(flag) ? "Positionals" : flag.group);
}

void add_command(CLI::App& app, const Command& command, const Words& words) {
  CLI::App& verb = *app.add_subcommand(command.name, command.summary);
  verb.footer("Examples:\n" + command.examples);
  for (const Flag& flag : command.flags) add_flag(verb, flag, words);
}

const Command* find(const std::vector<Command>& commands, const std::string& name) {
  const auto found = std::find_if(commands.begin(), commands.end(), [&](const Command& c) { return c.name == name; });
  return found == commands.end() ? nullptr : &*found;
}

std::vector<std::string> flag_names(const Command& command) {
  std::vector<std::string> names{"--help", "-h"};
  for (const Flag& flag : command.flags) {
    for (const std::string& name : split_names(flag.names)) names.push_back(name);
  }
  return names;
}

[[noreturn]] void unknown(const std::string& what, const std::string& word, const std::vector<std::string>& known,
                          const std::string& help) {
  const std::vector<std::string_view> views(known.begin(), known.end());
  const std::string near(nearest_word(word, views));
  throw Error(Error::input, "unknown " + what + " '" + word + "'" +
                                (near.empty() ? "" : "; did you mean " + near + "?") + " (" + help + " lists them)");
}

/// CLI11 would only say that there is something it did not expect.
void check_names(const std::vector<Command>& commands, const Words& words) {
  if (words.empty() || words.front().starts_with("-")) return;
  const Command* const command = find(commands, words.front());
  if (!command) {
    std::vector<std::string> verbs;
    for (const Command& known : commands) verbs.push_back(known.name);
    unknown("command", words.front(), verbs, "wanfarm --help");
  }
  const std::vector<std::string> known = flag_names(*command);
  for (std::size_t i = 1; i < words.size() && words[i] != "--"; ++i) {
    const std::string name = words[i].substr(0, words[i].find('='));
    if (!name.starts_with("--") || std::find(known.begin(), known.end(), name) != known.end()) continue;
    unknown("flag", name, known, "wanfarm " + command->name + " --help");
  }
}

int parse_and_run(const std::vector<Command>& commands, int argc, const char* const* argv) {
  CLI::App app(summary, "wanfarm");
  app.set_version_flag("--version", std::string("wanfarm ") + version);
  app.footer(exit_codes);
  app.require_subcommand(0, 1);
  const Words words(argv + 1, argv + argc);
  for (const Command& command : commands) add_command(app, command, words);
  check_names(commands, words);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help and --version
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    throw Error(Error::input, error.what());
  }
  if (app.get_subcommands().empty()) {
    std::cout << app.help();
    return 0;
  }
  return find(commands, app.get_subcommands().front()->get_name())->run();
}

/// A message of several lines (a list's mistakes) names its places itself, one a line. Many ranks make the same
/// mistake.
void print(const Error& error) {
  if (rank_from(environment()).rank != 0) return;
  const std::string what = error.what();
  std::cerr << (what.find('\n') == std::string::npos ? "wanfarm: " : "") << what << (what.ends_with('\n') ? "" : "\n");
}

}  // namespace

int run_command_line(const std::vector<Command>& commands, int argc, const char* const* argv) {
  try {
    return parse_and_run(commands, argc, argv);
  } catch (...) {
    const Error error = current_error();
    print(error);
    return exit_code(error.kind());
  }
}

}  // namespace wf
