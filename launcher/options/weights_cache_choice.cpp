#include "launcher/options/weights_cache_choice.hpp"

#include "base/error.hpp"
#include "base/paths.hpp"
#include "launcher/planner/calibration.hpp"

namespace wf {

Path weights_cache_folder(const std::string& text, const Environment& variables) {
  if (text == "off") return {};
  if (text.empty()) throw Error(Error::input, "--weights-cache: off, auto or a folder is needed");
  Path folder = text == "auto" ? user_cache_folder(variables) / "weights" : Path(text);
  if (std::filesystem::exists(folder) && !std::filesystem::is_directory(folder))
    throw Error(Error::input, "--weights-cache: " + folder.string() + " is a file, and a folder is needed");
  return absolute_folder(folder);
}

std::string weights_cache_text(const RunOptions& options, const Environment& variables) {
  if (options.weights_cache) return *options.weights_cache;
  const auto found = variables.find("WANFARM_WEIGHTS_CACHE");
  return found == variables.end() || found->second.empty() ? "off" : found->second;
}

WeightsCache chosen_weights_cache(const RunOptions& options, const Environment& variables) {
  return {weights_cache_folder(weights_cache_text(options, variables), variables), options.weights_cache_limit};
}

}  // namespace wf
