#include "jobs/list/model_keys.hpp"

#include "base/text.hpp"
#include "jobs/list/settings.hpp"
#include "jobs/list/utf8.hpp"

namespace wf {
namespace {

constexpr std::string_view folder_text = "the path of a folder", file_text = "the path of a file";

/// "'high' and 'vae'", "'high', 'low' and 'vae'".
std::string listed(const std::vector<std::string_view>& keys) {
  std::string text;
  for (std::size_t i = 0; i < keys.size(); ++i)
    text += (i == 0 ? "" : i + 1 == keys.size() ? " and " : ", ") + in_quotes(keys[i]);
  return text;
}

/// Reports what a model without a folder lacks, but not a part that is there with a wrong value or a misspelt key.
void check_whole(const TreeNode& map, const ModelSource& model, const Keys& keys, TreeReader& reader) {
  if (find(map, "from") || reader.misspelt(map, "from", keys)) return;
  std::vector<std::string_view> missing = missing_parts(model);
  std::erase_if(missing, [&](std::string_view key) { return find(map, key) || reader.misspelt(map, key, keys); });
  if (!missing.empty())
    reader.report(map.location, "the model lacks " + listed(missing) +
                                    " (give what is missing, or 'from', the folder of a whole model)");
}

ModelSource read_model_map(const TreeNode& map, TreeReader& reader) {
  static const Keys keys{"from", "high", "low", "text", "vae", "tokenizer"};
  reader.check_keys(map, keys);
  ModelSource model;
  for (const ModelPlace& place : model_places) {
    const bool is_folder = place.path == &ModelSource::from;
    if (const TreeNode* value = find(map, place.key))
      model.*place.path = reader.path(*value, place.key, is_folder ? folder_text : file_text).value_or(Path());
  }
  check_whole(map, model, keys, reader);
  return model;
}

ModelSource read_model(const TreeNode& node, TreeReader& reader) {
  if (node.kind == TreeNode::map) return read_model_map(node, reader);
  ModelSource model;
  model.from = reader.path(node, "model", "the path of a folder, or a map of from, high, low, text, vae and tokenizer")
                   .value_or(Path());
  return model;
}

void read_strength(const TreeNode& node, std::string_view key, double& strength, TreeReader& reader) {
  if (const std::string* written = reader.text(node, key, "a number"))
    reader.report_errors(node.location, [&] { strength = parse_strength(*written); });
}

/// One number for both experts, or a map with a number for each that the entry has a file for.
void read_strengths(const TreeNode& node, const TreeNode& entry, LoraSource& lora, TreeReader& reader) {
  static const Keys keys{"high", "low"};
  if (node.kind != TreeNode::map) {
    double strength = 1;
    read_strength(node, "strength", strength, reader);
    if (!lora.high.empty()) lora.high_strength = strength;
    if (!lora.low.empty()) lora.low_strength = strength;
    return;
  }
  reader.check_keys(node, keys);
  const auto read = [&](std::string_view key, double& strength) {
    const bool has_file = find(entry, "file") || find(entry, key);
    const TreeNode* value = find(node, key);
    if (value && !has_file)
      reader.report(value->location, "a strength for " + in_quotes(key) + ", for which this LoRA has no file");
    else if (value)
      read_strength(*value, "strength " + std::string(key), strength, reader);
    else if (has_file && !reader.misspelt(node, key, keys))
      reader.report(node.location,
                    "strength lacks " + in_quotes(key) + " (give a number for each expert, or one for both)");
  };
  read("high", lora.high_strength);
  read("low", lora.low_strength);
}

LoraSource read_lora(const TreeNode& map, TreeReader& reader) {
  static const Keys keys{"file", "high", "low", "strength"};
  reader.check_keys(map, keys);
  const auto path = [&](std::string_view key) {
    const TreeNode* value = find(map, key);
    return value ? reader.path(*value, key, file_text).value_or(Path()) : Path();
  };
  const TreeNode *file = find(map, "file"), *high = find(map, "high"), *low = find(map, "low");
  LoraSource lora{path("high"), path("low")};
  if (file) lora = {path("file"), path("file")};
  if (file && (high || low))
    reader.report(file->location, "'file' is for both experts and cannot stand beside 'high' or 'low'");
  if (!file && !high && !low && !reader.misspelt(map, "file", keys))
    reader.report(map.location, "a LoRA needs a file (file: for both experts, or high: and low:)");
  if (const TreeNode* strength = find(map, "strength")) read_strengths(*strength, map, lora, reader);
  return lora;
}

std::vector<LoraSource> read_loras(const TreeNode& node, TreeReader& reader) {
  std::vector<LoraSource> loras;
  if (node.kind != TreeNode::list) {
    reader.report(node.location,
                  "loras must be a list, such as - {high: FILE, low: FILE, strength: 1.0}, got " + describe(node));
    return loras;
  }
  for (const TreeNode* entry : node.items) {
    if (entry->kind == TreeNode::map)
      loras.push_back(read_lora(*entry, reader));
    else
      reader.report(entry->location,
                    "a LoRA must be a map, such as {file: FILE, strength: 1.0}, got " + describe(*entry));
  }
  return loras;
}

}  // namespace

ModelSource read_model_keys(const TreeNode& root, TreeReader& reader) {
  ModelSource source;
  if (const TreeNode* model = find(root, "model")) source = read_model(*model, reader);
  if (const TreeNode* loras = find(root, "loras")) source.loras = read_loras(*loras, reader);
  return source;
}

}  // namespace wf
