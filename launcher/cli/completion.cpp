#include "launcher/cli/completion.hpp"

#include <spdlog/fmt/fmt.h>

#include "base/error.hpp"
#include "base/text.hpp"

namespace wf {
namespace {

/// "render generate plan ..."
std::string verbs(const std::vector<Command>& commands) {
  std::vector<std::string> names;
  for (const Command& command : commands) names.push_back(command.name);
  return join(names, " ");
}

/// Wraps a text in single quotes for a shell.
std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

std::string bash_completions(const Command& command) {
  std::string candidates = "--help";
  for (const Flag& flag : command.flags) {
    if (is_argument(flag) || flag.group.empty()) continue;
    for (const std::string& name : split_at_commas(flag.names)) candidates += " " + name;
  }
  return candidates;
}

/// The cases of a bash `case` that complete a flag's value by the word before it, `render:--precision:*) ...`, and that
/// of a positional argument by its place, `control:*:3) ...`.
std::string bash_choices(const Command& command) {
  std::string cases;
  int place = 1;  // of the verb
  for (const Flag& flag : command.flags) {
    place += is_argument(flag);
    if (flag.choices.empty()) continue;
    std::vector<std::string> patterns;
    for (const std::string& name : split_at_commas(flag.names))
      patterns.push_back(is_argument(flag) ? fmt::format("{}:*:{}", command.name, place)
                                           : fmt::format("{}:{}:*", command.name, name));
    cases += fmt::format("    {}) _wanfarm_offer {}-W {}; return ;;\n", join(patterns, "|"),
                         takes_file(flag) ? "-f " : "", quoted(join(flag.choices, " ")));
  }
  return cases;
}

std::string bash(const std::vector<Command>& commands) {
  std::string choices, flags;
  for (const Command& command : commands) {
    choices += bash_choices(command);
    flags += "    " + command.name + ") words=" + quoted(bash_completions(command)) + " ;;\n";
  }
  return "# bash completion of wanfarm. Use: source <(wanfarm completion bash)\n"
         "# What compgen lists, a line each, for names may have blanks.\n"
         "_wanfarm_offer() { mapfile -t COMPREPLY < <(compgen \"$@\" -- \"$word\"); }\n"
         "_wanfarm() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} verb=${COMP_WORDS[1]} words=\n"
         "  if ((COMP_CWORD == 1)); then\n"
         "    _wanfarm_offer -W '" +
         verbs(commands) +
         " --help --version'; return\n"
         "  fi\n"
         "  case \"$verb:$before:$COMP_CWORD\" in\n" +
         choices +
         "  esac\n"
         "  case \"$verb\" in\n" +
         flags +
         "  esac\n"
         "  if [[ $word == -* ]]; then _wanfarm_offer -W \"$words\"; else _wanfarm_offer -f; fi\n"
         "}\n"
         "complete -o filenames -F _wanfarm wanfarm\n";
}

/// What may follow a flag in an _arguments spec: nothing, one of its choices, or a file.
std::string zsh_value(const Flag& flag) {
  if (is_switch(flag)) return "";
  const std::string choices = fmt::format("({})", join(flag.choices, " "));
  if (takes_file(flag))
    return fmt::format(":{0}:_alternative \"values:{0}:{1}\" \"files:file:_files\"", flag.names, choices);
  return fmt::format(":{}:{}", flag.names, flag.choices.empty() ? "_files" : choices);
}

/// Escapes brackets and colons, which have a meaning in _arguments.
std::string zsh_help(const std::string& help) {
  std::string text = "[";
  for (const char c : help) {
    if (c == '[' || c == ']' || c == ':') text += '\\';
    text += c;
  }
  return text += ']';
}

std::string zsh_arguments(const Command& command) {
  std::vector<std::string> specs{"_arguments"};
  for (const Flag& flag : command.flags) {
    const std::string again = flag.several ? "*" : "";  // it may be given again
    if (is_argument(flag)) specs.push_back(quoted(again + zsh_value(flag)));
    if (is_argument(flag) || flag.group.empty()) continue;
    for (const std::string& name : split_at_commas(flag.names))
      specs.push_back(quoted(again + name + zsh_help(flag.help) + zsh_value(flag)));
  }
  return join(specs, " ");
}

std::string zsh(const std::vector<Command>& commands) {
  std::string described, cases;
  for (const Command& command : commands) {
    described += fmt::format(" {}", quoted(command.name + ":" + command.summary));
    cases += fmt::format("    {}) {} ;;\n", command.name, zsh_arguments(command));
  }
  return "#compdef wanfarm\n"
         "# zsh completion of wanfarm. Use: wanfarm completion zsh > \"${fpath[1]}/_wanfarm\"\n"
         "_wanfarm() {\n"
         "  local -a verbs=(" +
         described +
         " )\n"
         "  if ((CURRENT == 2)); then _describe verb verbs; return; fi\n"
         "  local verb=${words[2]}\n"
         "  shift words; ((CURRENT--))\n"
         "  case $verb in\n" +
         cases +
         "  esac\n"
         "}\n"
         "compdef _wanfarm wanfarm\n";
}

std::string fish_flag(const Command& command, const Flag& flag) {
  std::string line = "complete -c wanfarm -n '__fish_seen_subcommand_from " + command.name + "'";
  if (!is_argument(flag)) {
    for (const std::string& name : split_at_commas(flag.names))
      line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
    line += " -d " + quoted(flag.help);
  }
  if (!flag.choices.empty())
    return line + (takes_file(flag) ? " -r -a " : " -x -a ") + quoted(join(flag.choices, " ")) + "\n";
  return line + (is_switch(flag) ? "" : " -r") + (is_argument(flag) ? " -F" : "") + "\n";
}

std::string fish(const std::vector<Command>& commands) {
  std::string script = "# fish completion of wanfarm. Use: wanfarm completion fish | source\n";
  for (const Command& command : commands) {
    script +=
        "complete -c wanfarm -n __fish_use_subcommand -f -a " + command.name + " -d " + quoted(command.summary) + "\n";
    for (const Flag& flag : command.flags) {
      if (!flag.group.empty()) script += fish_flag(command, flag);
    }
  }
  return script;
}

}  // namespace

std::string completion_script(const std::string& shell, const std::vector<Command>& commands) {
  if (shell == "bash") return bash(commands);
  if (shell == "zsh") return zsh(commands);
  if (shell == "fish") return fish(commands);
  throw Error(Error::input, "no completion for '" + shell + "'; supported shells: bash, zsh, fish");
}

}  // namespace wf
