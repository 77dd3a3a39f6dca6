#include "jobs/step_cache_file.hpp"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "base/check.hpp"
#include "base/error.hpp"
#include "base/text.hpp"

namespace wf {
namespace {

using Json = nlohmann::ordered_json;

[[noreturn]] void wrong(const std::string& what) { throw Error(Error::input, "not a step cache: " + what); }

/// The object in the text. A key that is given twice would otherwise count once, without a word.
Json parsed(const std::string& text) {
  std::set<std::string> keys;
  const auto once = [&keys](int depth, Json::parse_event_t event, Json& value) {
    const bool is_own_key = event == Json::parse_event_t::key && depth == 1;
    if (is_own_key && !keys.insert(value.get<std::string>()).second) wrong(value.dump() + " is given twice");
    return true;
  };
  try {
    Json json = Json::parse(text, once);
    if (!json.is_object()) wrong("it has to be an object with E, K, R, conditional and unconditional");
    return json;
  } catch (const Json::exception& error) {
    wrong(error.what());
  }
}

/// A number for which `is_allowed` holds. JSON has no NaN, and its reader refuses numbers that are infinite.
template <class IsAllowed>
double number(const Json& value, const std::string& name, const char* must_be, const IsAllowed& is_allowed) {
  if (!value.is_number() || !is_allowed(value.get<double>()))
    wrong(name + " must be " + must_be + ", got " + value.dump(-1, ' ', false, Json::error_handler_t::replace));
  return value.get<double>();
}

bool is_positive(double number) { return number > 0 && std::isfinite(number); }

int whole_number(const Json& value, const std::string& name, const std::string& must_be, int least, int most) {
  const auto is_allowed = [&](double number) { return value.is_number_integer() && least <= number && number <= most; };
  return static_cast<int>(number(value, name, must_be.c_str(), is_allowed));
}

std::vector<double> ratios(const Json& list, const std::string& name) {
  if (!list.is_array() || list.empty()) wrong(name + " must be a list with a ratio for each step");
  std::vector<double> ratios;
  for (const Json& value : list)
    ratios.push_back(number(value, name + "[" + std::to_string(ratios.size()) + "]", "a number above 0", is_positive));
  if (ratios.front() != 1) wrong(name + "[0] must be 1, got " + shortest(ratios.front()));
  return ratios;
}

void set(StepCache& cache, const std::string& key, const Json& value) {
  if (key == "E")
    cache.rule.error = number(value, key, "a number above 0", is_positive);
  else if (key == "K")
    cache.rule.most = whole_number(value, key, "a whole number from 1 to 1000", 1, 1000);
  else if (key == "R")
    cache.rule.kept = number(value, key, "a number from 0 to 1", [](double share) { return share >= 0 && share <= 1; });
  else if (key == "conditional")
    cache.table->conditional = ratios(value, key);
  else if (key == "unconditional")
    cache.table->unconditional = ratios(value, key);
  else if (key != "high_noise_steps")  // its range is that of the lists, which may come after it
    wrong("unknown key " + Json(key).dump(-1, ' ', false, Json::error_handler_t::replace));
}

StepCache cache_from(const Json& json) {
  StepCache cache{.table = StepCacheTable{}};
  for (const auto& [key, value] : json.items()) set(cache, key, value);
  for (const char* const key : {"E", "K", "R", "conditional", "unconditional"})
    if (!json.contains(key)) wrong(std::string(key) + " is missing");
  const std::size_t steps = cache.table->conditional.size(), others = cache.table->unconditional.size();
  if (steps != others)
    wrong("conditional has " + std::to_string(steps) + " ratios, and unconditional " + std::to_string(others));
  const int most = static_cast<int>(steps);
  if (json.contains("high_noise_steps"))
    cache.table->high_noise_steps =
        whole_number(json["high_noise_steps"], "high_noise_steps",
                     "a whole number from 0 to " + std::to_string(most) + ", the number of ratios", 0, most);
  return cache;
}

}  // namespace

StepCache read_step_cache(const Path& file) {
  const Path absolute = std::filesystem::absolute(file).lexically_normal();
  const std::string text = read_file(file);
  try {
    StepCache cache = cache_from(parsed(text));
    cache.file = absolute.string();
    return cache;
  } catch (const Error& error) {
    throw Error(error.kind(), file.string() + ": " + error.what());
  }
}

std::string to_json(const StepCache& cache) {
  WF_CHECK(cache.table);
  Json json{{"E", cache.rule.error},
            {"K", cache.rule.most},
            {"R", cache.rule.kept},
            {"conditional", cache.table->conditional},
            {"unconditional", cache.table->unconditional}};
  if (cache.table->high_noise_steps) json["high_noise_steps"] = *cache.table->high_noise_steps;
  return json.dump(1) + "\n";
}

}  // namespace wf
