#include "pipeline/weights/strict_json.hpp"

#include <set>
#include <vector>

#include "base/lfs_pointer.hpp"
#include "pipeline/weights/broken_file.hpp"

namespace wf {

nlohmann::json parse_strict_json(std::string_view text, const std::string& where) {
  using Event = nlohmann::json::parse_event_t;
  std::vector<std::set<std::string>> keys;  // the keys seen so far in each open object
  const auto refuse_duplicates = [&](int, Event event, nlohmann::json& value) {
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key && !keys.back().insert(value.get<std::string>()).second)
      broken(where, "the key \"" + printable(value.get<std::string>()) + "\" stands twice in one object");
    return true;
  };
  try {
    return nlohmann::json::parse(text.begin(), text.end(), refuse_duplicates);
  } catch (const nlohmann::json::parse_error& error) {
    broken(where, "is not JSON (byte " + std::to_string(error.byte) + ")");
  } catch (const nlohmann::json::exception&) {  // thrown for a number beyond the range of a double
    broken(where, "is not JSON: a number is out of range");
  }
}

nlohmann::json read_strict_json(const Path& file) {
  const MappedFile map(file);
  refuse_lfs_pointer(map.text(), file.string());
  return parse_strict_json(map.text(), file.string());
}

}  // namespace wf
