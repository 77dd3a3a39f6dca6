// launcher/submit/site.hpp: what differs between clusters, written once in a file that `wanfarm submit` reads:
//   ~/.config/wanfarm/site.yaml
//     partition: gpu
//     account: project
//     modules: [gcc/12, openmpi/4.1]
//     gpus_per_node: 8
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.hpp"

namespace wf {

/// The settings of a site. Empty texts and zeros were not given. docs/slurm.md explains each.
struct Site {
  std::string partition = {}, account = {}, qos = {};
  std::vector<std::string> modules = {};  ///< Loaded in this order before the ranks start.
  std::string container = {};             ///< Path of an Apptainer image that the ranks run in.
  std::string launcher = "srun";          ///< What starts the ranks: "srun" or "mpirun".
  std::string scratch = {};  ///< Folder of each node's own disk, for temporary files; may contain $VARIABLES.
  std::string program = {};  ///< wanfarm on the nodes, or in the container; empty: the path of this program.
  std::string gpu = {};      ///< Kind of GPU to plan for: "h100", "cpu", ...
  int gpus_per_node = 0;
  int cpus_per_node = 0;                 ///< Cores, which the ranks of a node share.
  std::uint64_t gpu_memory = 0;          ///< Bytes of each GPU.
  double link_between_nodes = 0;         ///< Bytes a second of each GPU to other nodes.
  std::vector<std::string> sbatch = {};  ///< Further options of sbatch: "--constraint=h100".
};

/// $XDG_CONFIG_HOME/wanfarm/site.yaml, else ~/.config/wanfarm/site.yaml; empty without a home.
Path site_file(const std::string& xdg_config_home, const std::string& home);

/// Reads a site file. Throws one Error(input) with all that is wrong, each as FILE:LINE:COLUMN: unknown keys, too.
Site read_site(const Path& file);
/// The same from memory; `name` is the file's name in messages.
Site parse_site(std::string_view yaml, const std::string& name);

/// The file that parse_site() reads as this site, with the lines of `comment` at its head.
std::string to_yaml(const Site& site, const std::string& comment);

/// Throws Error(input), naming `what`, unless the text can stand in an #SBATCH line as it is: letters, digits and
/// ._,:+@%=/- without blanks.
void check_sbatch_word(const std::string& what, const std::string& text);

}  // namespace wf
