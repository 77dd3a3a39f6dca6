#include "cluster/launch/start_ranks.hpp"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>

#include "base/descriptor.hpp"
#include "base/error.hpp"
#include "base/exit_codes.hpp"
#include "base/files.hpp"
#include "base/machine.hpp"
#include "base/text.hpp"
#include "cluster/launch/spawn.hpp"
#include "cluster/launch/terminal.hpp"

namespace wf {
namespace {

/// Names the variable that tells rank 0 where to write the run's exit code.
constexpr const char* exit_file_variable = "WANFARM_EXIT_FILE";
constexpr const char* losses_variable = "WANFARM_RANKS_MAY_BE_LOST";
/// Holds id_of_command().
constexpr const char* id_variable = "WANFARM_RUN_ID";
/// Holds command_of_user(), its words separated by a character that nobody types.
constexpr const char* command_variable = "WANFARM_COMMAND";
constexpr const char* separator = "\x1f";
/// What is in the file: in its first byte the mark, behind it the code.
constexpr char progress_mark = '+';
constexpr std::size_t exit_file_bytes = 16;
/// Exit codes of a run. Any other code means that a rank crashed and the launcher reports how.
constexpr std::array run_codes{0, 1, 2, 3, 4, 5, stopped_with_work_left, 130, 143};

/// The full path of a program; empty when it is not in PATH.
std::string find_program(const std::string& name, const Environment& variables) {
  std::istringstream folders(value_of(variables, "PATH"));
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string file = (folder.empty() ? "." : folder) + "/" + name;
    if (::access(file.c_str(), X_OK) == 0 && std::filesystem::is_regular_file(file)) return file;
  }
  return "";
}

void add_unless_set(Launch& launch, const Environment& variables, const std::string& name, const std::string& value) {
  if (!variables.contains(name)) launch.added_variables[name] = value;
}

/// A shell that srun opened is itself a job step of one task. The ranks have to share its resources (--overlap), or
/// they would wait for ever for that step to end; the number of its cores is not what each rank needs.
Launch slurm_launch(const std::string& srun, int ranks, const Environment& variables) {
  Launch launch{.command = {srun, "--mpi=pmix", "--kill-on-bad-exit=0", "--no-kill", "-n", std::to_string(ranks)},
                .added_variables = {},
                .passes_exit_codes = true};
  if (variables.contains("SLURM_STEP_ID"))
    launch.command.push_back("--overlap");
  else if (variables.contains("SLURM_CPUS_PER_TASK"))  // since Slurm 22.05 srun reads the job's request only from here
    add_unless_set(launch, variables, "SRUN_CPUS_PER_TASK", variables.at("SLURM_CPUS_PER_TASK"));
  // Slurm 22.05's other fence, the tree, waits for no other node: MPI_Init then returns before every rank can receive,
  // and a rank that is late dies of a message that comes too early.
  add_unless_set(launch, variables, "SLURM_PMIX_FENCE", "ring");
  return launch;
}

/// Starts any number of ranks, whatever mpirun counts as slots, each free to use all cores. Works in containers too: as
/// root, and without the right to ptrace.
Launch open_mpi_launch(const std::string& mpirun, int ranks, const Environment& variables, bool others_go_on) {
  Launch launch{.command = {mpirun, "-n", std::to_string(ranks), "--bind-to", "none", "--oversubscribe"},
                .added_variables = {}};
  if (others_go_on) {
    launch.command.push_back("--enable-recovery");
    launch.added_variables[losses_variable] = "1";
  }
  add_unless_set(launch, variables, "OMPI_MCA_btl_vader_single_copy_mechanism", "none");
  if (find_program("ssh", variables).empty() && find_program("rsh", variables).empty())
    add_unless_set(launch, variables, "OMPI_MCA_plm",
                   "isolated");  // mpirun needs a remote shell otherwise, even on this node
  if (::geteuid() == 0) {
    add_unless_set(launch, variables, "OMPI_ALLOW_RUN_AS_ROOT", "1");
    add_unless_set(launch, variables, "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
  }
  return launch;
}

/// The command line with which this process was started.
std::vector<std::string> own_command_line() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::string> command;
  for (std::size_t start = 0; start < text.size();) {
    command.emplace_back(text.c_str() + start);
    start += command.back().size() + 1;
  }
  return command;
}

/// The same with the full path of this program.
std::vector<std::string> own_command() {
  std::vector<std::string> command = own_command_line();
  command.at(0) = std::filesystem::read_symlink("/proc/self/exe").string();
  return command;
}

/// The temporary file in which rank 0 leaves a mark once a clip is finished, and at last the run's exit code: "+75".
/// Its blanks take the room for both while there is some: when the run is over, the disk may be full.
class ExitFile {
 public:
  ExitFile()
      : path_((std::filesystem::temp_directory_path() / "wanfarm-exit-XXXXXX").string()),
        fd_(::mkostemp(path_.data(), O_CLOEXEC)) {
    if (fd_.get() < 0) throw Error(Error::environment, "cannot make the file " + path_ + ": " + ::strerror(errno));
    clear();
  }
  ~ExitFile() { ::unlink(path_.c_str()); }
  ExitFile(const ExitFile&) = delete;
  ExitFile& operator=(const ExitFile&) = delete;
  const std::string& path() const { return path_; }
  /// Empty when rank 0 has left none.
  std::optional<int> code() const {
    std::string text = content();
    std::erase(text, progress_mark);
    std::istringstream words(text);
    int code = 0;
    return words >> code ? std::optional(code) : std::nullopt;
  }
  bool has_progress() const { return content().find(progress_mark) != std::string::npos; }
  /// Throws Error(environment) when the disk has no room.
  void clear() const {
    const std::string blanks(exit_file_bytes, ' ');
    if (::pwrite(fd_.get(), blanks.data(), blanks.size(), 0) == static_cast<ssize_t>(blanks.size()) &&
        ::ftruncate(fd_.get(), static_cast<off_t>(blanks.size())) == 0)
      return;
    const std::string why = ::strerror(errno);
    ::unlink(path_.c_str());
    throw Error(Error::environment,
                path_ + ": cannot be written: " + why + "; make room there, or set TMPDIR to a folder that has some");
  }

 private:
  std::string content() const {
    std::ifstream file(path_);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string path_;
  Descriptor fd_;
};

/// "with code 42", or "by signal 9 (Killed)".
std::string describe_end(int code) {
  if (code <= 128 || code > 128 + 64) return "with code " + std::to_string(code);
  return "by signal " + std::to_string(code - 128) + " (" + ::strsignal(code - 128) + ")";
}

/// How one start of the ranks has ended.
struct End {
  ChildResult launcher;
  std::optional<int> left = {};  ///< the exit code that rank 0 left, if it lived to leave one
  bool others_go_on = false;     ///< Losses::others_go_on

  bool was_stopped() const { return launcher.drain_requested || launcher.terminated_by != 0; }
  /// Whether the launcher's own exit code says how the run ended. 0 does not where ranks may be lost: the launcher ends
  /// with it whatever became of them.
  bool launcher_tells() const {
    const bool is_run_code = std::ranges::find(run_codes, launcher.code) != run_codes.end();
    return is_run_code && !(others_go_on && launcher.code == 0);
  }
  /// Whether ranks were lost, so that the same command can go on.
  bool is_cut_short() const { return left ? *left == code_of_lost_run : !launcher_tells(); }
};

std::string how_it_was_lost(const ChildResult& launcher) {
  if (launcher.code == 0) return "ranks were lost";
  return "a rank ended " + describe_end(launcher.code) + ", and the run with it";
}

/// The exit code of the run.
int run_code(const End& end) {
  const ChildResult& launcher = end.launcher;
  if (launcher.terminated_by != 0) return 128 + launcher.terminated_by;
  if (!end.is_cut_short()) {
    if (end.left && !launcher.was_over && launcher.code != 0 && launcher.code != *end.left)
      std::cerr << "wanfarm: a rank ended " << describe_end(launcher.code) << " before the run was over\n";
    return end.left.value_or(launcher.code);
  }
  if (launcher.drain_requested && launcher.code == 128 + SIGUSR1)
    return stopped_with_work_left;  // the signal came before the launcher could handle it: nothing had begun
  std::cerr << "wanfarm: " << how_it_was_lost(launcher) << "; the same command resumes it\n";
  return 1;
}

/// Starts the ranks, and starts them again when some were lost: up to losses.restarts times in a row without a finished
/// clip.
int start_ranks(int ranks, const Losses& losses) {
  Launch launch = launch_of(ranks, command_of_ranks(own_command()), environment(), losses.others_go_on);
  if (const auto terminal = terminal_of_stderr()) launch.added_variables[terminal_variable] = to_string(*terminal);
  launch.added_variables[id_variable] = process_identity();
  launch.added_variables[command_variable] = join(own_command_line(), separator);
  const ExitFile file;
  // Rank 0 may be on another node under srun, which hands its exit code on.
  if (!launch.passes_exit_codes) launch.added_variables[exit_file_variable] = file.path();
  for (int in_vain = 0;; ++in_vain) {
    file.clear();
    const auto is_over = [&file] { return file.code().has_value(); };
    End end{.launcher = spawn(launch.command, launch.added_variables, is_over)};
    end.left = file.code();
    end.others_go_on = losses.others_go_on && !launch.passes_exit_codes;
    if (file.has_progress()) in_vain = 0;
    if (!end.is_cut_short() || end.was_stopped() || in_vain >= losses.restarts) return run_code(end);
    std::cerr << "wanfarm: " << how_it_was_lost(end.launcher) << "; it is started again\n";
  }
}

/// Whether mpirun or srun started this process as a rank; false in a shell that srun opened.
bool is_rank(const Rank& rank, const Environment& variables) {
  return rank.size > 1 || variables.contains("OMPI_COMM_WORLD_SIZE") || variables.contains("PMI_SIZE");
}

}  // namespace

Launch launch_of(int ranks, const std::vector<std::string>& program, const Environment& variables, bool others_go_on) {
  const std::string srun = variables.contains("SLURM_JOB_ID") ? find_program("srun", variables) : "";
  const std::string mpirun = srun.empty() ? find_program("mpirun", variables) : "";
  if (srun.empty() && mpirun.empty())
    throw Error(Error::environment,
                "--ranks: mpirun is not in PATH; install Open MPI (Debian: openmpi-bin) or load its "
                "module, the same that this program was built with");
  Launch launch =
      srun.empty() ? open_mpi_launch(mpirun, ranks, variables, others_go_on) : slurm_launch(srun, ranks, variables);
  launch.command.insert(launch.command.end(), program.begin(), program.end());
  return launch;
}

std::vector<std::string> command_of_ranks(const std::vector<std::string>& command_line) {
  const auto is_flag = [](const std::string& text) { return text == "--ranks" || text == "--on-finish"; };
  std::vector<std::string> left;
  for (auto argument = command_line.begin(); argument != command_line.end(); ++argument) {
    const std::size_t equals = argument->find('=');
    if (is_flag(*argument) && argument + 1 != command_line.end())
      ++argument;
    else if (equals == std::string::npos || !is_flag(argument->substr(0, equals)))
      left.push_back(*argument);
  }
  return left;
}

std::optional<int> run_as_ranks(int ranks, const Losses& losses) {
  const Environment variables = environment();
  const Rank rank = rank_from(variables);
  if (!is_rank(rank, variables)) return ranks > 1 ? std::optional(start_ranks(ranks, losses)) : std::nullopt;
  if (ranks == 0) return {};
  if (ranks == rank.size) {
    if (rank.rank == 0) std::cerr << "note: --ranks has no effect where mpirun or srun has started the ranks\n";
    return {};
  }
  if (rank.rank != 0) return 0;  // rank 0 reports the error
  throw Error(Error::input, "--ranks " + std::to_string(ranks) + ", but mpirun or srun has started " +
                                std::to_string(rank.size) + "; leave --ranks out there");
}

namespace {

/// Writes into the file that the front end reads. False if there is none, this rank is not the one to write it, or it
/// cannot be written, which is told.
bool write_to_exit_file(off_t offset, const std::string& text) {
  const Environment variables = environment();
  const Rank rank = rank_from(variables);
  const std::string file = value_of(variables, exit_file_variable);
  if (file.empty() || rank.size < 2 || rank.rank != 0) return false;
  // Without O_CREAT: if rank 0 runs on another node than the process that made the file, there is none.
  const Descriptor fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
  if (fd.get() < 0 && errno == ENOENT) return false;
  if (fd.get() >= 0 && ::pwrite(fd.get(), text.data(), text.size(), offset) == static_cast<ssize_t>(text.size()))
    return true;
  const std::string why = ::strerror(errno);
  static std::atomic<bool> is_told = false;
  if (!is_told.exchange(true))
    std::cerr << "wanfarm: " + file + ": the process that started the ranks cannot be told how the run stands: " + why +
                     "\n";
  return false;
}

}  // namespace

std::string id_of_command() { return value_of(environment(), id_variable); }

std::vector<std::string> command_of_user() {
  const std::string given = value_of(environment(), command_variable);
  if (given.empty()) return own_command_line();
  std::vector<std::string> words(1);
  for (const char c : given) c == *separator ? words.emplace_back().clear() : words.back().push_back(c);
  return words;
}

bool is_exit_code_left(int code) { return write_to_exit_file(1, std::to_string(code) + "\n"); }

int leave_exit_code(int code) { return is_exit_code_left(code) ? 0 : code; }

void note_progress() { write_to_exit_file(0, {progress_mark}); }

bool ranks_may_be_lost() { return environment().contains(losses_variable); }

}  // namespace wf
