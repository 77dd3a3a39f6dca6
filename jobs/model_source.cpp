#include "jobs/model_source.hpp"

#include "base/text.hpp"

namespace wf {
namespace {

void make_absolute(Path& path) {
  if (!path.empty() && !is_random(path)) path = std::filesystem::absolute(path);
}

/// "lora FILE=0.8", without the strength where it is 1.
std::string lora_text(const char* flag, const Path& file, double strength) {
  return std::string(flag) + " " + file.string() + (strength == 1 ? "" : "=" + shortest(strength));
}

}  // namespace

bool names_model(const ModelSource& source) {
  for (const ModelPlace& place : model_places)
    if (!(source.*place.path).empty()) return true;
  return false;
}

std::vector<std::string_view> missing_parts(const ModelSource& source) {
  std::vector<std::string_view> missing;
  if (!source.from.empty()) return missing;
  for (const ModelPlace& place : model_places) {
    const bool can_be_missing = place.path == &ModelSource::from || place.path == &ModelSource::tokenizer;
    if (!can_be_missing && (source.*place.path).empty()) missing.push_back(place.key);
  }
  return missing;
}

bool is_random(const Path& from) { return from.string().starts_with(random_prefix); }

ModelSource absolute(ModelSource source) {
  for (const ModelPlace& place : model_places) make_absolute(source.*place.path);
  for (LoraSource& lora : source.loras) make_absolute(lora.high), make_absolute(lora.low);
  return source;
}

std::string describe(const ModelSource& source) {
  std::vector<std::string> texts;
  for (const ModelPlace& place : model_places) {
    const Path& path = source.*place.path;
    const bool is_folder = place.path == &ModelSource::from;
    if (!path.empty()) texts.push_back((is_folder ? "" : std::string(place.key) + " ") + path.string());
  }
  for (std::string& lora : describe(source.loras)) texts.push_back(std::move(lora));
  return join(texts, ", ");
}

std::vector<std::string> describe(const std::vector<LoraSource>& loras) {
  std::vector<std::string> texts;
  for (const LoraSource& lora : loras) {
    if (lora.high == lora.low && lora.high_strength == lora.low_strength) {
      texts.push_back(lora_text("lora", lora.high, lora.high_strength));
      continue;
    }
    if (!lora.high.empty()) texts.push_back(lora_text("lora-high", lora.high, lora.high_strength));
    if (!lora.low.empty()) texts.push_back(lora_text("lora-low", lora.low, lora.low_strength));
  }
  return texts;
}

}  // namespace wf
