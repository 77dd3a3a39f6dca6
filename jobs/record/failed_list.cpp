#include "jobs/record/failed_list.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/paths.hpp"
#include "base/text.hpp"
#include "jobs/list/name.hpp"
#include "jobs/list/utf8.hpp"

namespace wf {
namespace {

namespace fs = std::filesystem;

constexpr double seconds_between_writes = 5;

constexpr std::string_view head =
    "# The clips that failed, were set aside (quarantined) or cancelled, each below its error. Mend what is wrong,\n"
    "# delete what you give up, and render this list, with those flags of the run that are not values of clips\n"
    "# (--ranks, --precision ...). Each run of this output folder writes the file anew: copy it to keep it.\n";

/// What a double-quoted scalar cannot hold as it is, or an editor would not show. Not YAML's short escapes (\N), of
/// which yaml-cpp makes bytes that are not UTF-8.
constexpr std::array<std::pair<std::string_view, std::string_view>, 10> escapes{{{"\"", "\\\""},
                                                                                 {"\\", "\\\\"},
                                                                                 {"\n", "\\n"},
                                                                                 {"\r", "\\r"},
                                                                                 {"\t", "\\t"},
                                                                                 {"\u0085", "\\u0085"},
                                                                                 {"\u00a0", "\\u00a0"},
                                                                                 {"\u2028", "\\u2028"},
                                                                                 {"\u2029", "\\u2029"},
                                                                                 {"\ufeff", "\\ufeff"}}};

/// A double-quoted YAML scalar of UTF-8 text.
std::string yaml_text(std::string_view text) {
  std::string result = "\"";
  while (!text.empty()) {
    const std::string_view character = text.substr(0, std::max<std::size_t>(utf8_size(text), 1));
    const auto escape = std::ranges::find(escapes, character, [](const auto& pair) { return pair.first; });
    result += escape == escapes.end() ? character : escape->second;
    text.remove_prefix(character.size());
  }
  return result + "\"";
}

/// The text as lines of a comment.
std::string comment(std::string_view text) {
  std::string result = "  # ";
  while (!text.empty()) {
    const Printable character = first_printable(text);
    result += text[0] == '\n' ? "\n  # " : character.text;
    text.remove_prefix(character.bytes);
  }
  return result + "\n";
}

bool may_be_given(const std::string& name) {
  try {
    check_name(name);
    return true;
  } catch (const Error&) {
    return false;
  }
}

/// A line of a clip's map, unless the value is the built-in one.
template <class Value>
std::string line_unless_default(const char* key, const Value& value, const Value& built_in, const std::string& text) {
  return value == built_in ? "" : std::string("    ") + key + ": " + text + "\n";
}

std::string yaml_text(const Guidance& guidance) {
  if (!guidance.any()) return "none";
  return "{high: " + scale_text(guidance.high) + ", low: " + scale_text(guidance.low) + "}";
}

/// What the clip's forwards are saved by. A list holds text in UTF-8 only.
std::string saving_lines(const Job& job) {
  std::string lines;
  if (job.step_cache && !is_utf8(job.step_cache->file))
    lines += "    # The path of the clip's step cache is not UTF-8, as a list has to be: give it as --step-cache.\n";
  else if (job.step_cache)
    lines += "    step_cache: " + yaml_text(to_string(*job.step_cache)) + "\n";
  if (job.guidance_interval) lines += "    guidance_interval: " + to_string(*job.guidance_interval) + "\n";
  return lines;
}

std::string values_of(const Job& job) {
  const Job built_in;
  const auto number = [](const char* key, int value, int otherwise) {
    return line_unless_default(key, value, otherwise, std::to_string(value));
  };
  std::string lines = "    seed: " + (job.seed ? std::to_string(*job.seed) : "random") + "\n";
  lines += line_unless_default("size", std::pair(job.width, job.height), std::pair(built_in.width, built_in.height),
                               std::to_string(job.width) + "x" + std::to_string(job.height));
  lines += number("frames", job.frames, built_in.frames) + number("fps", job.fps, built_in.fps) +
           number("steps", job.steps, built_in.steps);
  lines += line_unless_default("shift", job.shift, built_in.shift, shortest(job.shift));
  lines += line_unless_default("guidance", job.guidance, built_in.guidance, yaml_text(job.guidance));
  lines += line_unless_default("solver", job.solver, built_in.solver, std::string(to_string(job.solver)));
  lines += saving_lines(job) + number("priority", job.priority, built_in.priority);
  return lines + line_unless_default("negative_prompt", job.negative_prompt, built_in.negative_prompt,
                                     yaml_text(job.negative_prompt));
}

/// "failed (resource, attempt 3, rank 5): out of memory".
std::string cause_of(const ClipResult& result) {
  std::string cause(to_string(result.status));
  std::string details = result.error_kind;
  if (result.attempts > 1) details += ", attempt " + std::to_string(result.attempts);
  if (result.rank >= 0) details += ", rank " + std::to_string(result.rank);
  if (!details.empty()) cause += " (" + details.substr(details.starts_with(", ") ? 2 : 0) + ")";
  return result.error.empty() ? cause : cause + ": " + result.error;
}

std::string entry(const ClipResult& result) {
  const Job& job = result.job;
  const std::string prompt = "prompt: " + yaml_text(job.prompt) + "\n";
  return comment(cause_of(result)) +
         (may_be_given(job.name) ? "  - name: " + yaml_text(job.name) + "\n    " + prompt : "  - " + prompt) +
         values_of(job);
}

std::string output_line(const std::string& path) {
  if (is_utf8(path)) return "output: " + yaml_text(path) + "\n";
  return "# The run's output folder has a name that is not UTF-8, as a list has to be: give it as --output.\n";
}

/// A YAML map on one line.
class FlowMap {
 public:
  void add(std::string_view key, const std::string& yaml) { members_.push_back(std::string(key) + ": " + yaml); }
  void add(std::string_view key, const Path& path) {
    if (!path.empty()) add(key, yaml_text(path.string()));
  }
  std::string text() const { return "{" + join(members_, ", ") + "}"; }

 private:
  std::vector<std::string> members_;
};

std::string flag_of(const ModelPlace& place) {
  if (place.path == &ModelSource::from) return "--model";
  return "--" + std::string(place.key) + (place.path == &ModelSource::tokenizer ? "" : "-model");
}

std::string model_line(const ModelSource& model) {
  FlowMap map;
  std::vector<std::string> flags;
  bool is_text = true;
  for (const ModelPlace& place : model_places) {
    const Path& path = model.*place.path;
    if (path.empty()) continue;
    map.add(place.key, path);
    flags.push_back(flag_of(place));
    is_text = is_text && is_utf8(path.string());
  }
  if (!is_text)
    return "# The run's model has a path that is not UTF-8, as a list has to be: give it as " + join(flags, ", ") +
           ".\n";
  const bool is_folder_alone = flags == std::vector<std::string>{"--model"};
  return flags.empty() ? "" : "model: " + (is_folder_alone ? yaml_text(model.from.string()) : map.text()) + "\n";
}

std::string lora_entry(const LoraSource& lora) {
  FlowMap map;
  const bool is_one = lora.high == lora.low && lora.high_strength == lora.low_strength;
  if (is_one) {
    map.add("file", lora.high);
    map.add("strength", shortest(lora.high_strength));
    return "  - " + map.text() + "\n";
  }
  FlowMap strengths;
  map.add("high", lora.high);
  map.add("low", lora.low);
  if (!lora.high.empty()) strengths.add("high", shortest(lora.high_strength));
  if (!lora.low.empty()) strengths.add("low", shortest(lora.low_strength));
  map.add("strength", strengths.text());
  return "  - " + map.text() + "\n";
}

std::string lora_lines(const std::vector<LoraSource>& loras) {
  std::string lines = loras.empty() ? "" : "loras:\n";
  for (const LoraSource& lora : loras) {
    if (!is_utf8(lora.high.string()) || !is_utf8(lora.low.string()))
      return "# The run's LoRAs have a path that is not UTF-8, as a list has to be: give all of them as --lora,\n"
             "# --lora-high and --lora-low.\n";
    lines += lora_entry(lora);
  }
  return lines;
}

}  // namespace

bool is_failed_list(const Path& list, const Path& output) {
  std::error_code error;
  return fs::equivalent(list, output / "failed.yaml", error) && !error;
}

std::string failed_list_text(const std::map<std::size_t, ClipResult>& clips, const ModelSource& model,
                             const Path& output) {
  const ModelSource whole = absolute(model);
  std::string text(head);
  text += model_line(whole) + lora_lines(whole.loras) + output_line(absolute_folder(output).string()) + "prompts:\n";
  for (const auto& [clip, result] : clips) text += entry(result);
  return text;
}

FailedList::FailedList(const OutputFolder& folder, const ModelSource& model, const Path& list)
    : folder_(folder),
      model_(model),
      file_(folder.output() / "failed.yaml"),
      is_the_runs_list_(is_failed_list(list, folder.output())) {}

void FailedList::add(std::size_t clip, const ClipResult& result) {
  clips_.insert_or_assign(clip, result);
  changed_ = true;
}

void FailedList::remove(std::size_t clip) {
  if (clips_.erase(clip) > 0) changed_ = true;
}

void FailedList::write_if_due(double now) {
  if (!changed_ || is_the_runs_list_ || now - written_ < seconds_between_writes) return;
  write();
  written_ = now;
}

void FailedList::finish(bool complete) {
  if (is_the_runs_list_ && !complete) return;
  if (changed_ || clips_.empty()) write();
}

void FailedList::write() {
  changed_ = false;
  if (!clips_.empty())
    return replace_file(file_, failed_list_text(clips_, model_, folder_.output()), folder_.part("failed.yaml"));
  std::error_code error;
  fs::remove(file_, error);
  if (error) throw Error(Error::storage, file_.string() + ": cannot be removed: " + error.message());
}

}  // namespace wf
