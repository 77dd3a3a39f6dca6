// launcher/command.hpp: a verb as data: its flags, its help and what it runs. commands/ makes them, cli.cpp parses for
// them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cluster/files.hpp"

namespace wf {

/// One flag, or an argument without dashes.
struct Flag {
  std::string names;  ///< "--frames,--frame_num", the one for messages first; "LIST": an argument
  std::string value;  ///< stands for the value in the help; empty: a switch
  std::string help;
  std::function<void(const std::string&)> set;  ///< takes the value ("true" for a switch); throws Error(input)
  std::vector<std::string> choices = {};        ///< for shell completion
  std::string group = "Options";                ///< heading in the help; empty: neither in the help nor completed
  bool optional = false;                        ///< an argument that may be left out
};

struct Command {
  std::string name, summary, examples;
  std::vector<Flag> flags;
  std::function<int()> run;  ///< returns the exit code; throws Error
};

/// Setters for Flag::set. The target must live as long as the flag: a command keeps its options in a shared_ptr that
/// `run` holds.
std::function<void(const std::string&)> into(std::string& target);
std::function<void(const std::string&)> into(std::optional<std::string>& target);
std::function<void(const std::string&)> into(Path& target);
std::function<void(const std::string&)> into(std::optional<Path>& target);
std::function<void(const std::string&)> into(bool& target);
/// A whole number >= least.
std::function<void(const std::string&)> into(int& target, int least);
/// One of the words, else an error that lists them.
std::function<void(const std::string&)> into(std::string& target, const std::vector<std::string>& words);

/// A flag that takes one of `words`: checked, in the help, and completed by the shell.
Flag choice_flag(const std::string& names, const std::vector<std::string>& words, const std::string& help,
                 std::string& target);

/// The names of a flag, one by one: "-v,--verbose" -> {"-v", "--verbose"}.
std::vector<std::string> split_names(const std::string& names);
bool is_argument(const Flag& flag);  ///< LIST, not --list
bool is_switch(const Flag& flag);

std::string join(const std::vector<std::string>& words, const std::string& between);

}  // namespace wf
