#include "cluster/node.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/error.hpp"
#include "base/machine.hpp"
#include "cluster/memory_limit.hpp"
#include "cluster/proc_file.hpp"

extern char** environ;

namespace wf {
namespace {

/// The variables that one launcher sets.
struct Family {
  const char *rank, *size, *local_rank;
};

/// Ordered by precedence: `srun mpirun` sets both families, and the ranks are those that mpirun started.
constexpr std::array families{
    Family{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"},
    Family{"PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID"},
    Family{"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"},
};

int number(const Environment& variables, const char* name, int otherwise) {
  const auto found = variables.find(name);
  if (found == variables.end()) return otherwise;
  const std::string& text = found->second;
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0)
    throw Error(Error::environment, std::string(name) + " must be a number, is '" + text + "'");
  return value;
}

/// MemAvailable in bytes; 0 where the kernel does not tell.
std::uint64_t available_bytes() {
  const std::string text = proc_value("/proc/meminfo", "MemAvailable");  // "16316412 kB"
  std::uint64_t kib = 0;
  std::from_chars(text.data(), text.data() + text.size(), kib);
  return kib * 1024;
}

}  // namespace

std::string value_of(const Environment& variables, const std::string& name) {
  const auto found = variables.find(name);
  return found == variables.end() ? "" : found->second;
}

Environment environment() {
  Environment variables;
  for (char** line = environ; *line; ++line) {
    const std::string text = *line;
    if (const auto equals = text.find('='); equals != std::string::npos)
      variables[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return variables;
}

std::string with_variables(const std::string& text, const Environment& variables) {
  constexpr std::string_view of_names = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
  std::string replaced;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] != '$') {
      replaced += text[at++];
      continue;
    }
    const bool in_braces = text.compare(at, 2, "${") == 0;
    const std::size_t begin = at + (in_braces ? 2 : 1),
                      end = std::min(text.find_first_not_of(of_names, begin), text.size());
    const std::string name = text.substr(begin, end - begin), value = value_of(variables, name);
    const bool is_closed = !in_braces || (end < text.size() && text[end] == '}');
    if (name.empty() || !is_closed) throw Error(Error::input, text + ": a variable is $NAME or ${NAME}");
    if (value.empty()) throw Error(Error::input, text + ": the variable " + name + " has no value here");
    replaced += value;
    at = end + (in_braces ? 1 : 0);
  }
  return replaced;
}

Rank rank_from(const Environment& variables) {
  for (const Family& family : families) {
    if (variables.contains(family.rank) && variables.contains(family.size))
      return {number(variables, family.rank, 0), number(variables, family.size, 1),
              number(variables, family.local_rank, 0)};
  }
  return {};
}

Node this_node() {
  Node node;
  node.host = host_name();
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (::sched_getaffinity(0, sizeof cores, &cores) == 0) node.cores = CPU_COUNT(&cores);
  const std::uint64_t physical =
      static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  node.memory_bytes = std::min(physical, memory_limit_of_groups());
  node.free_bytes = std::min(node.memory_bytes, available_bytes());
  return node;
}

}  // namespace wf
