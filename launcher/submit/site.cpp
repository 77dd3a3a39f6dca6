#include "launcher/submit/site.hpp"

#include <spdlog/fmt/fmt.h>

#include <functional>

#include "base/error.hpp"
#include "base/text.hpp"
#include "jobs/list/settings.hpp"
#include "jobs/list/tree_reader.hpp"
#include "jobs/list/utf8.hpp"
#include "jobs/list/yaml_tree.hpp"
#include "launcher/options/byte_count.hpp"
#include "launcher/planner/hardware.hpp"

namespace wf {
namespace {

void check_launcher(const std::string& text) {
  if (text != "srun" && text != "mpirun")
    throw Error(Error::input, "launcher must be srun or mpirun, got " + in_quotes(text));
}

void check_gpu(const std::string& text) {
  if (text != "cpu") gpu_figures(text);
}

/// The value stands in double quotes in the script, where variables are replaced and nothing else happens.
void check_scratch(const std::string& text) {
  const bool is_path = text.starts_with('/') || text.starts_with('$');
  if (!is_path || text.find_first_of("\"\\`\n") != text.npos || text.find("$(") != text.npos)
    throw Error(Error::input,
                "scratch must be the path of a folder from the root, such as /scratch/$USER, got " + in_quotes(text));
}

void check_full_path(const std::string& what, const std::string& text) {
  if (!text.starts_with('/') || text.find('\n') != text.npos)
    throw Error(Error::input, what + " must be a path from the root, got " + in_quotes(text));
}

void check_option(const std::string& text) {
  if (!text.starts_with("--"))
    throw Error(Error::input, "sbatch must be a list of options such as --constraint=h100, got " + in_quotes(text));
  check_sbatch_word("sbatch", text);
}

/// One key of the file. Exactly one of `set` and `add` is there: a value is a text, or a list of them.
struct Key {
  std::string_view name, must_be;
  std::function<void(Site&, const std::string&)> set = {};
  std::function<void(Site&, const std::string&)> add = {};
};

Key word_key(std::string_view name, std::string Site::*place) {
  return {name, "a text", [name, place](Site& site, const std::string& text) {
            check_sbatch_word(std::string(name), text);
            site.*place = text;
          }};
}

Key path_key(std::string_view name, std::string Site::*place) {
  return {name, "a path from the root", [name, place](Site& site, const std::string& text) {
            check_full_path(std::string(name), text);
            site.*place = text;
          }};
}

Key checked_key(std::string_view name, std::string Site::*place, void (*check)(const std::string&)) {
  return {name, "a text", [place, check](Site& site, const std::string& text) {
            check(text);
            site.*place = text;
          }};
}

Key count_key(std::string_view name, int Site::*place) {
  return {name, "a whole number", [name, place](Site& site, const std::string& text) {
            site.*place = parse_count(std::string(name), text, 1);
          }};
}

const std::vector<Key>& all_keys() {
  static const std::vector<Key> keys{
      word_key("partition", &Site::partition),
      word_key("account", &Site::account),
      word_key("qos", &Site::qos),
      {.name = "modules",
       .must_be = "a list of modules",
       .add =
           [](Site& site, const std::string& text) {
             check_sbatch_word("modules", text);
             site.modules.push_back(text);
           }},
      path_key("container", &Site::container),
      checked_key("launcher", &Site::launcher, check_launcher),
      checked_key("scratch", &Site::scratch, check_scratch),
      path_key("program", &Site::program),
      checked_key("gpu", &Site::gpu, check_gpu),
      count_key("gpus_per_node", &Site::gpus_per_node),
      count_key("cpus_per_node", &Site::cpus_per_node),
      {.name = "gpu_memory",
       .must_be = "a size",
       .set = [](Site& site, const std::string& text) { site.gpu_memory = parse_bytes(text); }},
      {.name = "link_between_nodes",
       .must_be = "a rate",
       .set = [](Site& site, const std::string& text) { site.link_between_nodes = parse_rate(text); }},
      {.name = "sbatch",
       .must_be = "a list of options",
       .add =
           [](Site& site, const std::string& text) {
             check_option(text);
             site.sbatch.push_back(text);
           }},
  };
  return keys;
}

class SiteReader : public TreeReader {
 public:
  Site read(std::string_view yaml, const std::string& name) {
    Tree tree;
    Site site;
    const Source* const source = diagnostics_.open(name, yaml);
    const TreeNode* const root = source ? read_yaml(*source, tree, diagnostics_) : nullptr;
    if (root && root->kind == TreeNode::map)
      read_map(*root, site);
    else if (root)
      report(root->location, "a site must be a map, such as partition: gpu, got " + describe(*root));
    diagnostics_.throw_if_any();
    return site;
  }

 private:
  void read_map(const TreeNode& root, Site& site) {
    Keys known;
    for (const Key& key : all_keys()) known.push_back(key.name);
    check_keys(root, known);
    for (const Key& key : all_keys())
      if (const TreeNode* const value = find(root, key.name)) read_value(key, *value, site);
  }

  void read_value(const Key& key, const TreeNode& value, Site& site) {
    const auto& take = key.set ? key.set : key.add;
    if (key.set || value.kind != TreeNode::list) return read_text(key, value, site, take);
    for (const TreeNode* const item : value.items) read_text(key, *item, site, take);
  }

  void read_text(const Key& key, const TreeNode& value, Site& site,
                 const std::function<void(Site&, const std::string&)>& take) {
    if (const std::string* const written = text(value, key.name, key.must_be))
      report_errors(value.location, [&] { take(site, *written); });
  }
};

std::string quoted_list(const std::vector<std::string>& words) { return fmt::format("[{}]", join(words, ", ")); }

}  // namespace

Path site_file(const std::string& xdg_config_home, const std::string& home) {
  if (!xdg_config_home.empty()) return Path(xdg_config_home) / "wanfarm/site.yaml";
  return home.empty() ? Path() : Path(home) / ".config/wanfarm/site.yaml";
}

Site read_site(const Path& file) { return parse_site(read_file(file), file.string()); }

Site parse_site(std::string_view yaml, const std::string& name) { return SiteReader().read(yaml, name); }

std::string to_yaml(const Site& site, const std::string& comment) {
  std::string text = comment;
  const auto line = [&text](std::string_view key, const std::string& value) {
    if (!value.empty()) text += fmt::format("{}: {}\n", key, value);
  };
  const auto count = [&line](std::string_view key, int number) { line(key, number > 0 ? std::to_string(number) : ""); };
  line("partition", site.partition), line("account", site.account), line("qos", site.qos);
  if (!site.modules.empty()) line("modules", quoted_list(site.modules));
  line("container", site.container), line("launcher", site.launcher), line("scratch", site.scratch);
  line("program", site.program), line("gpu", site.gpu);
  count("gpus_per_node", site.gpus_per_node), count("cpus_per_node", site.cpus_per_node);
  if (site.gpu_memory > 0) line("gpu_memory", shortest(static_cast<double>(site.gpu_memory) / (1ull << 30)) + "GiB");
  if (site.link_between_nodes > 0) line("link_between_nodes", link_text(site.link_between_nodes));
  if (!site.sbatch.empty()) line("sbatch", quoted_list(site.sbatch));
  return text;
}

void check_sbatch_word(const std::string& what, const std::string& text) {
  constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._,:+@%=/-";
  if (!text.empty() && text.find_first_not_of(plain) == text.npos) return;
  throw Error(Error::input, what + " must be letters, digits and ._,:+@%=/- without blanks, got " + in_quotes(text));
}

}  // namespace wf
