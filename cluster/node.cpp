#include "cluster/node.hpp"

#include <sched.h>
#include <unistd.h>

#include <array>
#include <charconv>

#include "base/error.hpp"
#include "base/machine.hpp"

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

}  // namespace

Environment environment() {
  Environment variables;
  for (char** line = environ; *line; ++line) {
    const std::string text = *line;
    if (const auto equals = text.find('='); equals != std::string::npos)
      variables[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return variables;
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
  node.memory_bytes =
      static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return node;
}

}  // namespace wf
