#include "launcher/command.hpp"

#include <algorithm>

#include "cluster/error.hpp"
#include "jobs/job_file.hpp"

namespace wf {

using Setter = std::function<void(const std::string&)>;

Setter into(std::string& target) {
  return [&target](const std::string& text) { target = text; };
}
Setter into(std::optional<std::string>& target) {
  return [&target](const std::string& text) { target = text; };
}
Setter into(Path& target) {
  return [&target](const std::string& text) { target = text; };
}
Setter into(std::optional<Path>& target) {
  return [&target](const std::string& text) { target = text; };
}
Setter into(bool& target) {
  return [&target](const std::string& text) { target = text == "true"; };
}
Setter into(int& target, int least) {
  return [&target, least](const std::string& text) { target = parse_count("the value", text, least); };
}

Setter into(std::string& target, const std::vector<std::string>& words) {
  return [&target, words](const std::string& text) {
    if (std::find(words.begin(), words.end(), text) == words.end())
      throw Error(Error::input, "must be one of " + join(words, ", ") + ", got '" + text + "'");
    target = text;
  };
}

Flag choice_flag(const std::string& names, const std::vector<std::string>& words, const std::string& help,
                 std::string& target) {
  return {names, join(words, "|"), help, into(target, words), words};
}

std::vector<std::string> split_names(const std::string& names) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= names.size();) {
    const std::size_t end = std::min(names.find(',', begin), names.size());
    parts.push_back(names.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

bool is_argument(const Flag& flag) { return flag.names.front() != '-'; }
bool is_switch(const Flag& flag) { return flag.value.empty() && !is_argument(flag); }

std::string join(const std::vector<std::string>& words, const std::string& between) {
  std::string joined;
  for (const std::string& word : words) joined += (joined.empty() ? "" : between) + word;
  return joined;
}

}  // namespace wf
