#include "launcher/cli/cli.hpp"

#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <iostream>
#include <system_error>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cluster/node.hpp"
#include "jobs/list/suggest.hpp"
#include "launcher/options/version.hpp"

namespace wf {
namespace {

constexpr const char* summary =
    "wanfarm renders lists of prompts into videos with Wan 2.2 text-to-video models.\n"
    "Start with: wanfarm render examples/prompts.yaml";
constexpr const char* exit_codes =
    "Exit codes: 0 all done, 1 some clips failed, 2 invalid input, 3 environment (model, GPU, folder in use),\n"
    "4 held with work left (too many clips failed), 5 disk, 75 stopped with work left (run the same command again),\n"
    "130/143 cut short by a second signal.";

using Arguments = std::vector<std::string>;

/// "--size=832x480" -> "--size"
std::string name_of(const std::string& argument) { return argument.substr(0, argument.find('=')); }

/// A flag may have several names; messages use the one that the user typed.
std::string typed_name(const Flag& flag, const Arguments& arguments) {
  const std::vector<std::string> names = split_at_commas(flag.names);
  for (const std::string& name : names) {
    for (const std::string& argument : arguments) {
      if (name_of(argument) == name) return name;
    }
  }
  return names.front();
}

/// Sets the flag, putting its name in front of the setter's error.
void set_named(const Flag& flag, const Arguments& arguments, const std::string& value) {
  try {
    flag.set(value);
  } catch (const Error& error) {
    throw Error(error.kind(), typed_name(flag, arguments) + ": " + error.what());
  }
}

void add_flag(CLI::App& app, const Flag& flag, const Arguments& arguments) {
  CLI::Option* option = nullptr;
  if (flag.several) {
    const auto set = [flag, arguments](const std::vector<std::string>& values) {
      for (const std::string& value : values) set_named(flag, arguments, value);
    };
    option = app.add_option_function<std::vector<std::string>>(flag.names, set, flag.help)->type_name(flag.value);
    if (!is_argument(flag)) option->allow_extra_args(false);  // one value each time
  } else if (is_switch(flag)) {
    const auto set = [flag, arguments](std::int64_t count) {
      set_named(flag, arguments, count > 0 ? "true" : "false");
    };
    option = app.add_flag_function(flag.names, set, flag.help);
  } else {
    const auto set = [flag, arguments](const std::string& value) { set_named(flag, arguments, value); };
    option = app.add_option_function<std::string>(flag.names, set, flag.help);
    option->type_name(flag.value)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }
  if (is_argument(flag)) option->required(!flag.optional);
  option->group(is_argument(flag) ? "Positionals" : flag.group);
}

void add_command(CLI::App& app, const Command& command, const Arguments& arguments) {
  CLI::App& verb = *app.add_subcommand(command.name, command.summary);
  verb.footer("Examples:\n" + command.examples);
  for (const Flag& flag : command.flags) add_flag(verb, flag, arguments);
}

const Command* find(const std::vector<Command>& commands, const std::string& name) {
  const auto found = std::find_if(commands.begin(), commands.end(), [&](const Command& c) { return c.name == name; });
  return found == commands.end() ? nullptr : &*found;
}

std::vector<std::string> flag_names(const Command& command) {
  std::vector<std::string> names{"--help", "-h"};
  for (const Flag& flag : command.flags) {
    for (const std::string& name : split_at_commas(flag.names)) names.push_back(name);
  }
  return names;
}

/// what: "command" or "flag". help: the command whose output lists the known names.
[[noreturn]] void throw_unknown(const std::string& what, const std::string& name, const std::vector<std::string>& known,
                                const std::string& help) {
  const std::vector<std::string_view> views(known.begin(), known.end());
  const std::string near(nearest_word(name, views));
  throw Error(Error::input, "unknown " + what + " '" + name + "'" +
                                (near.empty() ? "" : "; did you mean " + near + "?") + " (" + help + " lists them)");
}

/// Throws Error(input) with the nearest known name; CLI11 only reports that an argument was not expected.
void check_names(const std::vector<Command>& commands, const Arguments& arguments) {
  if (arguments.empty() || arguments.front().starts_with("-")) return;
  const Command* const command = find(commands, arguments.front());
  if (!command) {
    std::vector<std::string> verbs;
    for (const Command& known : commands) verbs.push_back(known.name);
    throw_unknown("command", arguments.front(), verbs, "wanfarm --help");
  }
  const std::vector<std::string> known = flag_names(*command);
  for (std::size_t i = 1; i < arguments.size() && arguments[i] != "--"; ++i) {
    const std::string name = name_of(arguments[i]);
    if (!name.starts_with("--") || std::find(known.begin(), known.end(), name) != known.end()) continue;
    throw_unknown("flag", name, known, "wanfarm " + command->name + " --help");
  }
}

int parse_and_run(const std::vector<Command>& commands, int argc, const char* const* argv) {
  CLI::App app(summary, "wanfarm");
  app.set_version_flag("--version", std::string("wanfarm ") + version);
  app.footer(exit_codes);
  app.require_subcommand(0, 1);
  const Arguments arguments(argv + 1, argv + argc);
  for (const Command& command : commands) add_command(app, command, arguments);
  check_names(commands, arguments);
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

/// Only rank 0 prints, since all ranks usually fail in the same way. A message of several lines (the errors of a list)
/// names the place of each error, so it gets no prefix.
void print(const Error& error) {
  if (rank_from(environment()).rank != 0) return;
  const std::string what = error.what();
  std::cerr << (what.find('\n') == std::string::npos ? "wanfarm: " : "") << what << (what.ends_with('\n') ? "" : "\n");
}

/// Whether stdout is a pipe that nobody reads any more.
bool nobody_reads() {
  pollfd out{STDOUT_FILENO, POLLOUT, 0};
  return ::poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

}  // namespace

int after_printing(int exit_code) {
  errno = 0;
  const bool was_written = std::cout.flush().good();
  if (std::fflush(stdout) == 0 && was_written && std::ferror(stdout) == 0) return exit_code;
  if (nobody_reads()) return exit_code;
  // Where an earlier write has failed, another one tells why.
  if (errno == 0 && ::write(STDOUT_FILENO, "\n", 1) == 1) errno = 0;
  const std::string reason = errno != 0 ? ": " + std::generic_category().message(errno) : "";
  print(Error(Error::storage, "standard output cannot be written" + reason));
  return exit_code != 0 ? exit_code : wf::exit_code(Error::storage);
}

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
