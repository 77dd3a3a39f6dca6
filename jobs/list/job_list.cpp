#include "jobs/list/job_list.hpp"

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <utility>

#include "base/error.hpp"
#include "jobs/list/model_keys.hpp"
#include "jobs/list/prompt_file.hpp"
#include "jobs/list/tree_reader.hpp"
#include "jobs/list/utf8.hpp"
#include "jobs/list/yaml_tree.hpp"

namespace wf {
namespace {

constexpr std::size_t max_list_bytes = std::size_t{32} << 20;
constexpr std::size_t max_jobs = 1'000'000;

Keys with_job_keys(Keys keys) {
  for (const Setting& setting : all_settings()) keys.push_back(setting.key);
  return keys;
}

/// Reads one list: walks its tree, adds diagnostics and carries on, so that all of them are reported at once.
class ListReader : TreeReader {
 public:
  ListReader(const Path& name, const JobSettings& flags) : name_(name), flags_(flags) {}

  JobList read(std::string_view yaml) {
    if (yaml.size() > max_list_bytes)
      throw Error(Error::input,
                  name_.string() + ": larger than 32 MiB (move the prompts into a .txt, .jsonl or .csv file)");
    Tree tree;
    const Source* source = diagnostics_.open(name_.string(), yaml);
    if (source) {
      const TreeNode* root = read_yaml(*source, tree, diagnostics_);
      if (root && root->kind != TreeNode::nothing)
        read_top(*root);
      else if (diagnostics_.count() == 0)
        diagnostics_.add({source, 0},
                         "the list is empty (write 'prompts:' and below it '- ' and a prompt on each line)");
    }
    diagnostics_.throw_if_any();
    return std::move(list_);
  }

 private:
  void read_top(const TreeNode& root) {
    static const Keys keys{"model", "loras", "output", "defaults", "prompts"};
    if (root.kind != TreeNode::map)
      return diagnostics_.add(root.location, "a list must be a map with 'prompts:', got " + describe(root));
    check_keys(root, keys);
    list_.model = read_model_keys(root, *this);
    if (const TreeNode* output = find(root, "output")) list_.output = path(*output, "output", "the path of a folder");
    if (const TreeNode* defaults = find(root, "defaults")) defaults_ = read_defaults(*defaults);
    if (const TreeNode* prompts = find(root, "prompts"))
      read_prompts(*prompts);
    else if (!misspelt(root, "prompts", keys))
      diagnostics_.add(root.location,
                       "'prompts' is missing (write 'prompts:' and below it '- ' and a prompt on each line)");
  }

  JobSettings read_defaults(const TreeNode& node) {
    static const Keys keys = with_job_keys({});
    if (node.kind == TreeNode::map) {
      check_keys(node, keys);
      return read_settings(node);
    }
    diagnostics_.add(node.location,
                     "defaults must be a map, such as {size: 832x480, frames: 81}, got " + describe(node));
    return {};
  }

  JobSettings read_settings(const TreeNode& map) {
    JobSettings settings;
    for (const Setting& setting : all_settings()) {
      const TreeNode* value = find(map, setting.key);
      if (!value) continue;
      if (setting.key == "guidance" && value->kind == TreeNode::map)
        settings.guidance = read_guidance(*value);
      else if (setting.key == "step_cache")
        settings.step_cache = read_step_cache(*value, setting.must_be);
      else if (const std::string* written = text(*value, setting.key, setting.must_be))
        report_errors(value->location, [&] { setting.set(settings, *written); });
    }
    return settings;
  }

  /// A relative path counts from the list's folder, as that of a prompt file does.
  std::optional<JobSettings::Cache> read_step_cache(const TreeNode& value, std::string_view must_be) {
    std::optional<JobSettings::Cache> cache;
    if (const std::string* written = text(value, "step_cache", must_be))
      report_errors(value.location, [&] { cache = parse_step_cache(*written, name_.parent_path()); });
    return cache;
  }

  Guidance read_guidance(const TreeNode& map) {
    static const Keys keys{"high", "low"};
    check_keys(map, keys);
    Guidance guidance;
    const auto read = [&](const std::string& key, std::optional<double>& scale) {
      const TreeNode* value = find(map, key);
      if (!value && !misspelt(map, key, keys))
        diagnostics_.add(map.location, "guidance needs both high and low, " + in_quotes(key) + " is missing");
      if (!value) return;
      if (const std::string* written = text(*value, "guidance " + key, "a number from 0 to 1000, or none"))
        report_errors(value->location, [&] { scale = parse_scale("guidance " + key, *written); });
    };
    read("high", guidance.high);
    read("low", guidance.low);
    return guidance;
  }

  void read_prompts(const TreeNode& prompts) {
    if (prompts.kind != TreeNode::list)
      return diagnostics_.add(prompts.location,
                              "prompts must be a list, one '- ' and a prompt a line, got " + describe(prompts));
    if (prompts.items.empty()) diagnostics_.add(prompts.location, "prompts must hold at least one prompt");
    for (const TreeNode* prompt : prompts.items) {
      if (prompt->kind == TreeNode::map)
        find(*prompt, "file") ? read_file_entry(*prompt) : read_prompt(*prompt, defaults_);
      else if (prompt->kind == TreeNode::list)
        diagnostics_.add(prompt->location, "a prompt must be a text or a map, got a list");
      else
        add_prompt(*prompt, nullptr, defaults_);
    }
  }

  void read_prompt(const TreeNode& map, const JobSettings& under) {
    static const Keys keys = with_job_keys({"prompt", "name"});
    static const Keys keys_in_list = with_job_keys({"prompt", "name", "file"});
    const Keys& known = map.location.source->number == 0 ? keys_in_list : keys;
    check_keys(map, known);
    const JobSettings own = read_settings(map);
    if (const TreeNode* prompt = find(map, "prompt"))
      add_prompt(*prompt, find(map, "name"), merged(own, under));
    else if (!misspelt(map, "prompt", known))
      diagnostics_.add(map.location, "'prompt' is missing");
  }

  void read_file_entry(const TreeNode& map) {
    static const Keys keys = with_job_keys({"file", "prompt", "name"});
    check_keys(map, keys);
    for (const std::string_view key : {"prompt", "name"})
      if (const TreeNode* value = find(map, key))
        diagnostics_.add(value->location,
                         in_quotes(key) + " cannot stand beside 'file' (each prompt of the file has its own)");
    const JobSettings own = merged(read_settings(map), defaults_);
    const TreeNode& file = *find(map, "file");
    if (const std::string* written = text(file, "file", "the path of a .txt, .jsonl or .csv file"))
      read_prompt_file(name_.parent_path() / *written, file.location, diagnostics_,
                       [&](const TreeNode& row) { read_prompt(row, own); });
  }

  void add_prompt(const TreeNode& prompt, const TreeNode* name, const JobSettings& settings) {
    ++index_;
    const std::size_t before = diagnostics_.count();
    if (prompt.kind == TreeNode::nothing)
      diagnostics_.add(prompt.location, "the prompt is empty");
    else if (const std::string* written = text(prompt, "prompt"))
      report_errors(prompt.location, [&] { check_prompt("prompt", *written); });
    if (name && text(*name, "name")) report_errors(name->location, [&] { check_name(name->value); });
    if (diagnostics_.count() != before) return;

    const JobSettings all = merged(flags_, settings);
    if (overdoes_guidance(all) && list_.warnings.empty())
      list_.warnings.push_back(to_string(prompt.location) + ": " + std::string(overdone_guidance));
    report_errors(prompt.location, [&] {
      Job job = apply(all);
      job.prompt = prompt.value;
      job.index = index_;
      add_samples(job, name, all.samples.value_or(1), prompt.location);
    });
  }

  void add_samples(const Job& job, const TreeNode* name, int samples, Location location) {
    std::string pattern = name ? name->value : default_name(job.index, job.prompt, {});
    if (samples > 1 && !needs_seed(pattern)) pattern += "-s{seed}";
    if (list_.jobs.size() + static_cast<std::size_t>(samples) > max_jobs)
      return diagnostics_.add(location, "the list asks for more than " + std::to_string(max_jobs) + " videos");
    if (job.seed && *job.seed > std::numeric_limits<std::int64_t>::max() - (samples - 1))
      return diagnostics_.add(location, "the seeds of the samples would pass 2^63-1 (give a smaller seed)");
    for (int sample = 0; sample < samples; ++sample) {
      Job& clip = list_.jobs.emplace_back(job);
      if (clip.seed) *clip.seed += sample;
      clip.name = clip.seed ? with_seed(pattern, *clip.seed) : pattern;
      claim(clip.name, name ? name->location : location);
    }
  }

  /// Reports a name that another prompt has. Names that contain {seed} will differ once the seeds are drawn.
  void claim(const std::string& name, Location location) {
    if (needs_seed(name)) return;
    const auto [other, is_new] = names_.emplace(name, location);
    if (!is_new)
      diagnostics_.add(location, "the name " + in_quotes(name, 200) + " is taken already (by the prompt at " +
                                     to_string(other->second) + ")");
  }

  const Path name_;
  const JobSettings& flags_;
  JobSettings defaults_;
  JobList list_;
  int index_ = 0;
  std::unordered_map<std::string, Location> names_;
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
