#include "cluster/slurm/cluster_info.hpp"

#include <algorithm>
#include <charconv>
#include <sstream>
#include <utility>

#include "cluster/slurm/program.hpp"
#include "cluster/slurm/slurm_time.hpp"

namespace wf {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

/// The number at the beginning of a text, or 0: sinfo writes "8+" for nodes of several sizes.
int number_in(std::string_view text) {
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

/// Reads "gpu:h100:8(S:0-1)", "gpu:2": the GPUs among the generic resources of a node, which commas separate. One for
/// each type; one without GPUs where there are none.
std::vector<NodeKind> kinds_with_gpus(const NodeKind& node, const std::string& resources) {
  std::vector<NodeKind> kinds;
  std::istringstream all(resources);
  for (std::string resource; std::getline(all, resource, ',');) {
    std::istringstream parts(resource.substr(0, resource.find('(')));
    std::string name, type, count;
    std::getline(parts, name, ':'), std::getline(parts, type, ':'), std::getline(parts, count);
    if (name != "gpu") continue;
    if (count.empty()) count = std::exchange(type, "");
    auto kind = std::ranges::find(kinds, type, &NodeKind::gpu);
    if (kind == kinds.end()) kind = kinds.insert(kind, {node.nodes, node.cpus, type, 0});
    kind->gpus += number_in(count);
  }
  return kinds.empty() ? std::vector{node} : kinds;
}

}  // namespace

std::string scontrol_value(std::string_view line, std::string_view name) {
  for (std::size_t at = 0; (at = line.find(name, at)) != line.npos; ++at) {
    const bool is_word = at == 0 || line[at - 1] == ' ';
    const std::size_t value = at + name.size() + 1;
    if (!is_word || line.substr(at + name.size(), 1) != "=") continue;
    return std::string(line.substr(value, line.find_first_of(" \n", value) - value));
  }
  return "";
}

std::vector<Partition> parse_partitions(const std::string& text) {
  std::vector<Partition> partitions;
  for (const std::string& line : lines_of(text)) {
    Partition partition{.name = scontrol_value(line, "PartitionName"),
                        .is_default = scontrol_value(line, "Default") == "YES",
                        .nodes = number_in(scontrol_value(line, "TotalNodes")),
                        .most_seconds = parse_slurm_time(scontrol_value(line, "MaxTime"))};
    if (partition.name.empty()) continue;
    if (const int most = number_in(scontrol_value(line, "MaxNodes")); most > 0)
      partition.nodes = std::min(partition.nodes, most);
    partitions.push_back(std::move(partition));
  }
  return partitions;
}

std::vector<NodeKind> parse_nodes(const std::string& text) {
  std::vector<NodeKind> kinds;
  for (const std::string& line : lines_of(text)) {
    std::istringstream fields(line);
    std::string nodes, cpus, resources;
    if (!std::getline(fields, nodes, '|') || !std::getline(fields, cpus, '|')) continue;
    std::getline(fields, resources);
    const NodeKind node{.nodes = number_in(nodes), .cpus = number_in(cpus), .gpu = "", .gpus = 0};
    if (node.nodes == 0) continue;
    for (NodeKind& kind : kinds_with_gpus(node, resources)) kinds.push_back(std::move(kind));
  }
  return kinds;
}

std::vector<std::string> parse_mpi_types(const std::string& text) {
  std::vector<std::string> types;
  for (const std::string& line : lines_of(text)) {
    std::istringstream words(line.starts_with("srun: ") ? line.substr(6) : line);
    std::string word, more;
    if (words >> word && !(words >> more)) types.push_back(word);
  }
  return types;
}

std::vector<Partition> partitions() {
  return parse_partitions(answer_of({"scontrol", "show", "partition", "--oneliner"}).out);
}

std::vector<NodeKind> nodes_of(const std::string& partition) {
  return parse_nodes(answer_of({"sinfo", "--noheader", "--format=%D|%c|%G", "--partition=" + partition}).out);
}

/// Some versions list them on stderr.
std::vector<std::string> mpi_types() { return parse_mpi_types(answer_of({"sh", "-c", "srun --mpi=list 2>&1"}).out); }

const Partition* find_partition(const std::vector<Partition>& all, const std::string& name) {
  const auto found = std::ranges::find_if(
      all, [&](const Partition& each) { return name.empty() ? each.is_default : each.name == name; });
  return found == all.end() ? nullptr : &*found;
}

const NodeKind* most_gpus(const std::vector<NodeKind>& kinds) {
  const auto most = std::ranges::max_element(kinds, {}, [](const NodeKind& kind) { return kind.nodes * kind.gpus; });
  return most == kinds.end() || most->gpus == 0 ? nullptr : &*most;
}

}  // namespace wf
