#include "launcher/front.hpp"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>

#include "cluster/error.hpp"
#include "cluster/files.hpp"
#include "launcher/supervise.hpp"
#include "launcher/terminal.hpp"

namespace wf {
namespace {

constexpr const char* exit_file_variable = "WANFARM_EXIT_FILE";
constexpr int stopped_with_work_left = 75;
/// What a run may end with. Anything else is a launcher's word for a rank that did not end by itself.
constexpr std::array run_codes{0, 1, 2, 3, 4, 5, stopped_with_work_left, 130, 143};

std::string value_of(const Environment& variables, const std::string& name) {
  const auto found = variables.find(name);
  return found == variables.end() ? "" : found->second;
}

/// The full path of a program; empty: not in PATH.
std::string find_program(const std::string& name, const Environment& variables) {
  std::istringstream folders(value_of(variables, "PATH"));
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string file = (folder.empty() ? "." : folder) + "/" + name;
    if (::access(file.c_str(), X_OK) == 0 && std::filesystem::is_regular_file(file)) return file;
  }
  return "";
}

void add_unless_set(Launch& launch, const Environment& variables, const std::string& name, const std::string& value) {
  if (!variables.contains(name)) launch.added[name] = value;
}

/// A shell that srun gave is itself a step, of one task: the ranks share what it holds, or would wait for it for ever,
/// and its cores are not what each of them asks for.
Launch slurm_launch(const std::string& srun, int ranks, const Environment& variables) {
  Launch launch{.words = {srun, "--mpi=pmix", "--kill-on-bad-exit=0", "-n", std::to_string(ranks)},
                .added = {},
                .keeps_codes = true};
  if (variables.contains("SLURM_STEP_ID"))
    launch.words.push_back("--overlap");
  else if (variables.contains("SLURM_CPUS_PER_TASK"))  // since 22.05 srun takes the job's request from here alone
    add_unless_set(launch, variables, "SRUN_CPUS_PER_TASK", variables.at("SLURM_CPUS_PER_TASK"));
  return launch;
}

/// As many ranks as were asked for, whatever mpirun takes for slots, each on all cores; as root and without ptrace
/// rights too, as in containers.
Launch open_mpi_launch(const std::string& mpirun, int ranks, const Environment& variables) {
  Launch launch{.words = {mpirun, "-n", std::to_string(ranks), "--bind-to", "none", "--oversubscribe"}, .added = {}};
  add_unless_set(launch, variables, "OMPI_MCA_btl_vader_single_copy_mechanism", "none");
  if (find_program("ssh", variables).empty() && find_program("rsh", variables).empty())
    add_unless_set(launch, variables, "OMPI_MCA_plm", "isolated");  // else it refuses to start even here without them
  if (::geteuid() == 0) {
    add_unless_set(launch, variables, "OMPI_ALLOW_RUN_AS_ROOT", "1");
    add_unless_set(launch, variables, "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
  }
  return launch;
}

/// This program and its arguments, as it was started.
std::vector<std::string> own_command() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::string> words;
  for (std::size_t start = 0; start < text.size();) {
    words.emplace_back(text.c_str() + start);
    start += words.back().size() + 1;
  }
  words.at(0) = std::filesystem::read_symlink("/proc/self/exe").string();
  return words;
}

/// Where rank 0 leaves the run's exit code: a file of this process, gone with it.
class ExitFile {
 public:
  ExitFile() : path_((std::filesystem::temp_directory_path() / "wanfarm-exit-XXXXXX").string()) {
    const int fd = ::mkstemp(path_.data());
    if (fd < 0) throw Error(Error::environment, "cannot make the file " + path_ + ": " + ::strerror(errno));
    ::close(fd);
  }
  ~ExitFile() { ::unlink(path_.c_str()); }
  ExitFile(const ExitFile&) = delete;
  ExitFile& operator=(const ExitFile&) = delete;
  const std::string& path() const { return path_; }
  std::optional<int> code() const {
    int code = 0;
    return std::ifstream(path_) >> code ? std::optional(code) : std::nullopt;
  }

 private:
  std::string path_;
};

std::string ending(int code) {
  if (code <= 128 || code > 128 + 64) return "with code " + std::to_string(code);
  return "by signal " + std::to_string(code - 128) + " (" + ::strsignal(code - 128) + ")";
}

/// The exit code of the run, from how the launcher ended and what rank 0 said, if it came to that.
int run_code(const ChildEnd& end, const std::optional<int>& told) {
  if (end.cut_short_by != 0) return 128 + end.cut_short_by;
  if (told) {
    if (end.code != 0 && end.code != *told)
      std::cerr << "wanfarm: a rank ended " << ending(end.code) << " after the run was over\n";
    return *told;
  }
  if (std::find(run_codes.begin(), run_codes.end(), end.code) != run_codes.end()) return end.code;
  if (end.asked_to_stop && end.code == 128 + SIGUSR1) return stopped_with_work_left;  // before anything had begun
  std::cerr << "wanfarm: a rank ended " << ending(end.code) << ", and the run with it; the same command goes on\n";
  return 1;
}

int start_ranks(int ranks) {
  Launch launch = launch_of(ranks, without_ranks(own_command()), environment());
  if (const auto terminal = terminal_of_stderr()) launch.added[terminal_variable] = to_string(*terminal);
  if (launch.keeps_codes) return run_code(supervise(launch.words, launch.added), {});
  const ExitFile file;
  launch.added[exit_file_variable] = file.path();
  const ChildEnd end = supervise(launch.words, launch.added);
  return run_code(end, file.code());
}

/// True in each process that mpirun or srun started to be a rank; not in a shell that they gave.
bool is_rank(const Rank& rank, const Environment& variables) {
  return rank.size > 1 || variables.contains("OMPI_COMM_WORLD_SIZE") || variables.contains("PMI_SIZE");
}

}  // namespace

Launch launch_of(int ranks, const std::vector<std::string>& program, const Environment& variables) {
  const std::string srun = variables.contains("SLURM_JOB_ID") ? find_program("srun", variables) : "";
  const std::string mpirun = srun.empty() ? find_program("mpirun", variables) : "";
  if (srun.empty() && mpirun.empty())
    throw Error(Error::environment,
                "--ranks: mpirun is not in PATH; install Open MPI (Debian: openmpi-bin) or load its "
                "module, the same that this program was built with");
  Launch launch = srun.empty() ? open_mpi_launch(mpirun, ranks, variables) : slurm_launch(srun, ranks, variables);
  launch.words.insert(launch.words.end(), program.begin(), program.end());
  return launch;
}

std::vector<std::string> without_ranks(const std::vector<std::string>& words) {
  std::vector<std::string> left;
  for (auto word = words.begin(); word != words.end(); ++word) {
    if (*word == "--ranks" && word + 1 != words.end())
      ++word;
    else if (!word->starts_with("--ranks="))
      left.push_back(*word);
  }
  return left;
}

std::optional<int> run_as_ranks(int ranks) {
  const Environment variables = environment();
  const Rank rank = rank_from(variables);
  if (!is_rank(rank, variables)) return ranks > 1 ? std::optional(start_ranks(ranks)) : std::nullopt;
  if (ranks == 0) return {};
  if (ranks == rank.size) {
    if (rank.rank == 0) std::cerr << "note: --ranks has no effect where mpirun or srun has started the ranks\n";
    return {};
  }
  if (rank.rank != 0) return 0;  // one says it
  throw Error(Error::input, "--ranks " + std::to_string(ranks) + ", but mpirun or srun has started " +
                                std::to_string(rank.size) + "; leave --ranks out there");
}

int leave_exit_code(int code) {
  const Environment variables = environment();
  const Rank rank = rank_from(variables);
  const std::string file = value_of(variables, exit_file_variable);
  if (file.empty() || rank.size < 2 || rank.rank != 0) return code;
  const int fd =
      ::open(file.c_str(), O_WRONLY | O_CLOEXEC);  // never made here: on another machine there is no such file
  if (fd < 0) return code;
  const std::string line = std::to_string(code) + "\n";
  const bool told = ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  return ::close(fd) == 0 && told ? 0 : code;
}

}  // namespace wf
