// launcher/cli/command.hpp: a verb of the program as data: its flags, its help and the function that it runs. commands/
// defines the verbs, cli.cpp parses the command line for them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/files.hpp"
#include "base/text.hpp"

namespace wf {

/// One flag, or one positional argument.
struct Flag {
  std::string names;  ///< Comma-separated names, the preferred one first: "--frames,--frame_num"; "LIST": positional.
  std::string value;  ///< Placeholder for the value in the help, such as "N"; empty for a switch.
  std::string help;
  std::function<void(const std::string&)> set;  ///< Takes the value, "true" for a switch. Throws Error(input).
  std::vector<std::string> choices = {};        ///< Values that the shell completes.
  std::string group = "Options";                ///< Heading in the help; empty hides the flag from help and completion.
  bool optional = false;                        ///< True if a positional argument may be left out.
  /// True for a positional argument that takes all that follow, and a flag that may be given again: `set` is called for
  /// each value.
  bool several = false;
};

/// One verb of the program: `wanfarm NAME ...`.
struct Command {
  std::string name, summary, examples;
  std::vector<Flag> flags;
  std::function<int()> run;  ///< Called after all flags are set. Returns the exit code; throws Error.
};

/// The path that was typed. Throws Error(input) when it is empty.
Path named_path(const std::string& text);

/// Setters for Flag::set. The target must outlive the flag: a command keeps its options in a shared_ptr that `run`
/// holds.
std::function<void(const std::string&)> into(std::string& target);
std::function<void(const std::string&)> into(std::optional<std::string>& target);
std::function<void(const std::string&)> into(Path& target);
std::function<void(const std::string&)> into(std::optional<Path>& target);
std::function<void(const std::string&)> into(bool& target);
std::function<void(const std::string&)> into(std::optional<bool>& target);
/// A setter for a whole number >= least; throws Error(input) for anything else.
std::function<void(const std::string&)> into(int& target, int least);

/// The same, or `auto`, which leaves the target empty.
std::function<void(const std::string&)> into_or_auto(std::optional<int>& target, int least);

/// The texts that a flag accepts, each with the value that it stands for.
template <class T>
using Choices = std::vector<std::pair<std::string, T>>;

/// Throws Error(input), listing the choices, unless `text` is one of them.
void check_choice(const std::string& text, const std::vector<std::string>& choices);

/// A flag that accepts one of `choices`; they are checked, shown in the help, and completed by the shell.
template <class T, class Target>
Flag choice_flag(const std::string& names, const Choices<T>& choices, const std::string& help, Target& target) {
  std::vector<std::string> texts;
  for (const auto& [text, value] : choices) texts.push_back(text);
  const auto set = [&target, choices, texts](const std::string& typed) {
    check_choice(typed, texts);
    for (const auto& [text, value] : choices)
      if (text == typed) target = value;
  };
  return {names, join(texts, "|"), help, set, texts};
}

/// A flag whose choices are stored as they are typed.
Flag choice_flag(const std::string& names, const std::vector<std::string>& choices, const std::string& help,
                 std::string& target);

bool is_argument(const Flag& flag);  ///< True for a positional argument (LIST, not --list).
bool is_switch(const Flag& flag);    ///< True for a flag without a value.
/// True where the path of a file or a folder may stand in place of the choices: "off|...|FILE".
bool takes_file(const Flag& flag);

}  // namespace wf
