#include "launcher/cli/command.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "jobs/list/job_list.hpp"

namespace wf {

using Setter = std::function<void(const std::string&)>;

Path named_path(const std::string& text) {
  if (text.empty()) throw Error(Error::input, "the path is empty");
  return text;
}

Setter into(std::string& target) {
  return [&target](const std::string& text) { target = text; };
}
Setter into(std::optional<std::string>& target) {
  return [&target](const std::string& text) { target = text; };
}
Setter into(Path& target) {
  return [&target](const std::string& text) { target = named_path(text); };
}
Setter into(std::optional<Path>& target) {
  return [&target](const std::string& text) { target = named_path(text); };
}
Setter into(bool& target) {
  return [&target](const std::string& text) { target = text == "true"; };
}
Setter into(std::optional<bool>& target) {
  return [&target](const std::string& text) { target = text == "true"; };
}
Setter into(int& target, int least) {
  return [&target, least](const std::string& text) { target = parse_count("the value", text, least); };
}

Setter into_or_auto(std::optional<int>& target, int least) {
  return [&target, least](const std::string& text) {
    target.reset();
    if (text != "auto") into(target.emplace(), least)(text);
  };
}

void check_choice(const std::string& text, const std::vector<std::string>& choices) {
  if (std::find(choices.begin(), choices.end(), text) == choices.end())
    throw Error(Error::input, "must be one of " + join(choices, ", ") + ", got '" + text + "'");
}

Flag choice_flag(const std::string& names, const std::vector<std::string>& choices, const std::string& help,
                 std::string& target) {
  Choices<std::string> values;
  for (const std::string& choice : choices) values.emplace_back(choice, choice);
  return choice_flag(names, values, help, target);
}

bool is_argument(const Flag& flag) { return flag.names.front() != '-'; }
bool is_switch(const Flag& flag) { return flag.value.empty() && !is_argument(flag); }
bool takes_file(const Flag& flag) { return flag.value.ends_with("|FILE") || flag.value.ends_with("|FOLDER"); }

}  // namespace wf
