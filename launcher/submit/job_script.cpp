#include "launcher/submit/job_script.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/shell.hpp"
#include "cluster/slurm/slurm_time.hpp"
#include "launcher/submit/job_size.hpp"

namespace wf {
namespace {

/// A path in an #SBATCH line, where quotes keep blanks together.
std::string sbatch_path(const Path& path) {
  const std::string& text = path.native();
  if (text.find_first_of("\"'\\\n") != text.npos)
    throw Error(Error::input,
                text + ": sbatch takes no path with quotes, backslashes or line breaks; rename the folder");
  return text.find(' ') == text.npos ? text : "\"" + text + "\"";
}

/// Slurm replaces %j by the job's number.
std::string percent_doubled(const std::string& text) {
  std::string doubled;
  for (const char c : text) doubled += c == '%' ? "%%" : std::string(1, c);
  return doubled;
}

std::string option(std::string_view name, const std::string& value) {
  return value.empty() ? "" : fmt::format("#SBATCH --{}={}\n", name, value);
}

std::string who_and_where(const JobScript& job) {
  return option("job-name", "wanfarm") + option("partition", job.site.partition) + option("account", job.site.account) +
         option("qos", job.site.qos) + option("dependency", job.dependency);
}

std::string how_much(const JobScript& job) {
  const std::string ranks = std::to_string(job.ranks_per_node);
  const int cores = job.site.cpus_per_node / job.ranks_per_node;
  std::string text = option("nodes", std::to_string(job.nodes)) + option("ntasks-per-node", ranks);
  if (job.has_gpus) text += option("gpus-per-node", job.gpu_type.empty() ? ranks : job.gpu_type + ":" + ranks);
  if (cores > 0) text += option("cpus-per-task", std::to_string(cores));
  if (job.shards > 0) text += option("array", fmt::format("1-{}", job.shards));
  return text + option("time", slurm_time_text(job.seconds));
}

std::string how_it_ends(const JobScript& job) {
  return fmt::format(
      "#SBATCH --no-kill --open-mode=append\n"
      "# So long before the limit each rank finishes its step, saves its state and exits with code 75.\n"
      "#SBATCH --signal=USR1@{}\n",
      reserve_seconds(job.seconds));
}

std::string surroundings(const Site& site) {
  std::string text;
  if (!site.modules.empty()) {
    std::vector<std::string> words{"module", "load"};
    words.insert(words.end(), site.modules.begin(), site.modules.end());
    text += shell_command(words) + " || exit 3\n";
  }
  if (!site.scratch.empty()) text += fmt::format("export TMPDIR=\"{}\"\n", site.scratch);
  // In a container the folder need not be there.
  if (!site.scratch.empty() && site.container.empty()) text += "export WANFARM_SCRATCH=$TMPDIR\n";
  return text;
}

/// As slurm/render.sbatch has it.
std::string starter(const Site& site) {
  if (site.launcher == "mpirun") return "exec mpirun --bind-to none ";
  return "# A fence in which every node waits for all others (Slurm 22.05).\n"
         "export SLURM_PMIX_FENCE=${SLURM_PMIX_FENCE:-ring}\n"
         "exec srun --mpi=pmix --kill-on-bad-exit=0 --no-kill --cpus-per-task=\"${SLURM_CPUS_PER_TASK:-1}\" ";
}

std::vector<std::string> command_of(const JobScript& job) {
  std::vector<std::string> words;
  if (!job.site.container.empty()) {
    words = {"apptainer", "exec"};
    if (job.has_gpus) words.emplace_back("--nv");
    words.push_back(job.site.container);
  }
  words.push_back(job.site.program.empty() ? job.program.string() : job.site.program);
  words.insert(words.end(), job.arguments.begin(), job.arguments.end());
  return words;
}

}  // namespace

std::string to_text(const JobScript& job) {
  std::string text = job.site.modules.empty() ? "#!/bin/bash\n" : "#!/bin/bash -l\n";  // -l: `module` is there
  std::string comment = job.comment;
  std::ranges::replace(comment, '\n', ' ');
  text += fmt::format("# {}\n", comment);
  text += "# Written by `wanfarm submit`. Submitted again, it goes on with what is left.\n";
  text += who_and_where(job) + how_much(job) + how_it_ends(job);
  text += "#SBATCH --chdir=" + sbatch_path(job.folder) + "\n";
  const Path log = percent_doubled(job.logs.string()) + (job.shards > 0 ? "/slurm-%A-%a.log" : "/slurm-%j.log");
  text += "#SBATCH --output=" + sbatch_path(log) + "\n";
  for (const std::string& more : job.site.sbatch) text += "#SBATCH " + more + "\n";
  const std::string shard = job.shards > 0 ? fmt::format(" --shard \"$SLURM_ARRAY_TASK_ID/{}\"", job.shards) : "";
  return text + "\n" + surroundings(job.site) + starter(job.site) + shell_command(command_of(job)) + shard + "\n";
}

Path log_of_job(const Path& logs, const std::string& job) { return logs / ("slurm-" + job + ".log"); }

std::string dependency_of(const std::string& text) {
  check_sbatch_word("the value", text);
  const bool is_number = text.find_first_not_of("0123456789") == text.npos;
  if (!is_number && text.find(':') == text.npos && text != "singleton")
    throw Error(Error::input,
                "the number of a job is needed, or what sbatch takes, such as afterok:42, got '" + text + "'");
  return is_number ? "afterany:" + text : text;
}

}  // namespace wf
