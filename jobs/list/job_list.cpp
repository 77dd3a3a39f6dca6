#include "jobs/job_file.hpp"

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <utility>

#include "cluster/error.hpp"
#include "jobs/prompt_file.hpp"
#include "jobs/suggest.hpp"
#include "jobs/utf8.hpp"
#include "jobs/yaml_tree.hpp"

namespace wf {
namespace {

constexpr std::size_t most_list_bytes = std::size_t{32} << 20;
constexpr std::size_t most_jobs = 1'000'000;

using Keys = std::vector<std::string_view>;

Keys with_job_keys(Keys keys) {
  for (const Setting& setting : all_settings()) keys.push_back(setting.key);
  return keys;
}

/// One reading of a list: goes through the tree, notes mistakes and goes on.
class ListReader {
 public:
  ListReader(const Path& name, const JobSettings& flags) : name_(name), flags_(flags) {}

  JobList read(std::string_view yaml) {
    if (yaml.size() > most_list_bytes)
      throw Error(Error::input,
                  name_.string() + ": larger than 32 MiB (move the prompts into a .txt, .jsonl or .csv file)");
    Tree tree;
    const Source* source = mistakes_.open(name_.string(), yaml);
    if (source) {
      const TreeNode* root = read_yaml(*source, tree, mistakes_);
      if (root && root->kind != TreeNode::nothing)
        read_top(*root);
      else if (mistakes_.count() == 0)
        mistakes_.add({source, 0}, "the list is empty (write 'prompts:' and below it '- ' and a prompt on each line)");
    }
    mistakes_.throw_if_any();
    return std::move(list_);
  }

 private:
  void read_top(const TreeNode& root) {
    static const Keys keys{"model", "output", "defaults", "prompts"};
    if (root.kind != TreeNode::map)
      return mistakes_.add(root.place, "a list must be a map with 'prompts:', got " + describe(root));
    check_keys(root, keys);
    if (const TreeNode* model = find(root, "model")) list_.model = path(*model, "model");
    if (const TreeNode* output = find(root, "output")) list_.output = path(*output, "output");
    if (const TreeNode* defaults = find(root, "defaults")) defaults_ = read_defaults(*defaults);
    if (const TreeNode* prompts = find(root, "prompts"))
      read_prompts(*prompts);
    else if (!misspelt(root, "prompts", keys))
      mistakes_.add(root.place, "'prompts' is missing (write 'prompts:' and below it '- ' and a prompt on each line)");
  }

  /// Notes keys that are unknown, no texts, or given twice.
  void check_keys(const TreeNode& map, const Keys& known) {
    std::unordered_map<std::string_view, const TreeNode*> seen;
    for (std::size_t i = 0; i + 1 < map.items.size(); i += 2) {
      const TreeNode& key = *map.items[i];
      if (key.kind != TreeNode::text) {
        mistakes_.add(key.place, "a key must be a text, got " + describe(key));
      } else if (const auto [first, is_new] = seen.emplace(key.value, &key); !is_new) {
        mistakes_.add(key.place, in_quotes(key.value) + " is given twice (first in line " +
                                     std::to_string(line_of(first->second->place)) + ")");
      } else if (std::find(known.begin(), known.end(), key.value) == known.end()) {
        mistakes_.add(key.place, unknown(key.value, known));
      }
    }
  }

  /// Whether a key that was noted as unknown is likely to be this one: then its absence is no second mistake.
  static bool misspelt(const TreeNode& map, std::string_view key, const Keys& known) {
    for (std::size_t i = 0; i + 1 < map.items.size(); i += 2) {
      const std::string& other = map.items[i]->value;
      if (nearest_word(other, known) == key || (key == "prompt" && other.find(' ') != std::string::npos)) return true;
    }
    return false;
  }

  static std::string unknown(const std::string& key, const Keys& known) {
    if (key == "<<") return "merge keys (<<) are not read (put shared values under 'defaults')";
    const bool sentence = known.front() == "prompt" && key.find(' ') != std::string::npos;
    if (sentence) return "unknown key " + in_quotes(key) + " (put a prompt that holds ': ' in quotes)";
    return "unknown key " + in_quotes(key) + " " + did_you_mean(key, known);
  }

  /// Runs `check`, which throws Error(input) without a place, and notes its words at the node.
  template <class Check>
  void at(Place place, Check&& check) {
    try {
      check();
    } catch (const Error& error) {
      mistakes_.add(place, error.what());
    }
  }

  /// The value if it is a text, otherwise empty and noted.
  const std::string* text(const TreeNode& node, std::string_view key, std::string_view must_be = "a text") {
    if (node.kind == TreeNode::text) return &node.value;
    mistakes_.add(node.place, std::string(key) + " must be " + std::string(must_be) + ", got " + describe(node));
    return nullptr;
  }

  std::optional<Path> path(const TreeNode& node, std::string_view key) {
    const std::string* value = text(node, key, "the path of a folder");
    if (!value) return {};
    if (!value->empty() && value->find('\0') == std::string::npos) return Path(*value);
    mistakes_.add(node.place, std::string(key) + " must be the path of a folder, got " + in_quotes(*value));
    return {};
  }

  JobSettings read_defaults(const TreeNode& node) {
    static const Keys keys = with_job_keys({});
    if (node.kind == TreeNode::map) {
      check_keys(node, keys);
      return read_settings(node);
    }
    mistakes_.add(node.place, "defaults must be a map, such as {size: 832x480, frames: 81}, got " + describe(node));
    return {};
  }

  JobSettings read_settings(const TreeNode& map) {
    JobSettings settings;
    for (const Setting& setting : all_settings()) {
      const TreeNode* value = find(map, setting.key);
      if (!value) continue;
      if (setting.key == "guidance" && value->kind == TreeNode::map)
        settings.guidance = read_guidance(*value);
      else if (const std::string* written = text(*value, setting.key, setting.must_be))
        at(value->place, [&] { setting.set(settings, *written); });
    }
    return settings;
  }

  Guidance read_guidance(const TreeNode& map) {
    static const Keys keys{"high", "low"};
    check_keys(map, keys);
    Guidance guidance;
    const auto read = [&](const std::string& key, double& scale) {
      const TreeNode* value = find(map, key);
      if (!value && !misspelt(map, key, keys))
        mistakes_.add(map.place, "guidance needs both high and low, " + in_quotes(key) + " is missing");
      if (!value) return;
      if (const std::string* written = text(*value, "guidance " + key, "a number >= 0"))
        at(value->place, [&] { scale = parse_not_negative("guidance " + key, *written); });
    };
    read("high", guidance.high);
    read("low", guidance.low);
    return guidance;
  }

  void read_prompts(const TreeNode& prompts) {
    if (prompts.kind != TreeNode::list)
      return mistakes_.add(prompts.place,
                           "prompts must be a list, one '- ' and a prompt a line, got " + describe(prompts));
    if (prompts.items.empty()) mistakes_.add(prompts.place, "prompts must hold at least one prompt");
    for (const TreeNode* prompt : prompts.items) {
      if (prompt->kind == TreeNode::map)
        find(*prompt, "file") ? read_file_entry(*prompt) : read_prompt(*prompt, defaults_);
      else if (prompt->kind == TreeNode::list)
        mistakes_.add(prompt->place, "a prompt must be a text or a map, got a list");
      else
        add_prompt(*prompt, nullptr, defaults_);
    }
  }

  void read_prompt(const TreeNode& map, const JobSettings& under) {
    static const Keys keys = with_job_keys({"prompt", "name"});
    static const Keys keys_in_list = with_job_keys({"prompt", "name", "file"});
    const Keys& known = map.place.source->number == 0 ? keys_in_list : keys;
    check_keys(map, known);
    const JobSettings own = read_settings(map);
    if (const TreeNode* prompt = find(map, "prompt"))
      add_prompt(*prompt, find(map, "name"), merged(own, under));
    else if (!misspelt(map, "prompt", known))
      mistakes_.add(map.place, "'prompt' is missing");
  }

  void read_file_entry(const TreeNode& map) {
    static const Keys keys = with_job_keys({"file", "prompt", "name"});
    check_keys(map, keys);
    for (const std::string_view key : {"prompt", "name"})
      if (const TreeNode* value = find(map, key))
        mistakes_.add(value->place,
                      in_quotes(key) + " cannot stand beside 'file' (each prompt of the file has its own)");
    const JobSettings own = merged(read_settings(map), defaults_);
    const TreeNode& file = *find(map, "file");
    if (const std::string* written = text(file, "file", "the path of a .txt, .jsonl or .csv file"))
      read_prompt_file(name_.parent_path() / *written, file.place, mistakes_,
                       [&](const TreeNode& row) { read_prompt(row, own); });
  }

  void add_prompt(const TreeNode& prompt, const TreeNode* name, const JobSettings& settings) {
    ++index_;
    const std::size_t before = mistakes_.count();
    if (prompt.kind == TreeNode::nothing)
      mistakes_.add(prompt.place, "the prompt is empty");
    else if (const std::string* written = text(prompt, "prompt"))
      at(prompt.place, [&] { check_prompt("prompt", *written); });
    if (name && text(*name, "name")) at(name->place, [&] { check_name(name->value); });
    if (mistakes_.count() != before) return;

    const JobSettings all = merged(flags_, settings);
    Job job = apply(all);
    job.prompt = prompt.value;
    job.index = index_;
    add_samples(job, name, all.samples.value_or(1), prompt.place);
  }

  void add_samples(const Job& job, const TreeNode* name, int samples, Place place) {
    std::string pattern = name ? name->value : default_name(job.index, job.prompt, {});
    if (samples > 1 && !needs_seed(pattern)) pattern += "-s{seed}";
    if (list_.jobs.size() + static_cast<std::size_t>(samples) > most_jobs)
      return mistakes_.add(place, "the list asks for more than " + std::to_string(most_jobs) + " videos");
    if (job.seed && *job.seed > std::numeric_limits<std::int64_t>::max() - (samples - 1))
      return mistakes_.add(place, "the seeds of the samples would pass 2^63-1 (give a smaller seed)");
    for (int sample = 0; sample < samples; ++sample) {
      Job& clip = list_.jobs.emplace_back(job);
      if (clip.seed) *clip.seed += sample;
      clip.name = clip.seed ? with_seed(pattern, *clip.seed) : pattern;
      claim(clip.name, name ? name->place : place);
    }
  }

  /// Notes a name that another prompt has. Names that wait for a random seed differ once it is drawn.
  void claim(const std::string& name, Place place) {
    if (needs_seed(name)) return;
    const auto [other, is_new] = names_.emplace(name, place);
    if (!is_new)
      mistakes_.add(place, "the name " + in_quotes(name, 200) + " is taken already (by the prompt at " +
                               to_string(other->second) + ")");
  }

  const Path name_;
  const JobSettings& flags_;
  Mistakes mistakes_;
  JobSettings defaults_;
  JobList list_;
  int index_ = 0;
  std::unordered_map<std::string, Place> names_;
};

}  // namespace

JobList read_job_list(const Path& file, const JobSettings& flags) {
  if (std::filesystem::is_directory(file))
    throw Error(Error::input, file.string() + ": is a folder, not a prompt list");
  return parse_job_list(read_file(file), file, flags);
}

JobList parse_job_list(std::string_view yaml, const Path& name, const JobSettings& flags) {
  return ListReader(name, flags).read(yaml);
}

Job make_job(const std::string& prompt, const JobSettings& flags) {
  check_prompt("prompt", prompt);
  Job job = apply(flags);
  job.prompt = prompt;
  job.name = default_name(job.index, prompt, job.seed);
  return job;
}

}  // namespace wf
