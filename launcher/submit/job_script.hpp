// launcher/submit/job_script.hpp: the batch script of a job, with everything written out, so that it can be read,
// changed and submitted again by hand.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "launcher/submit/site.hpp"

namespace wf {

struct JobScript {
  Site site = {};
  int nodes = 1;
  int ranks_per_node = 1;
  bool has_gpus = true;         ///< Each rank has a GPU; else the ranks of a node share its cores.
  std::string gpu_type = {};    ///< As Slurm names it, where the job has to say which: "h100"; "": any.
  std::int64_t seconds = 0;     ///< The job's time limit.
  std::string dependency = {};  ///< As sbatch takes it: "afterany:42"; "": none.
  int shards = 0;               ///< Tasks of a job array, each of which renders a part of the list; 0: no array.
  Path folder = {};             ///< Working folder of the command, from the root.
  Path logs = {};               ///< Folder of the job's output, from the root.
  std::string comment = {};     ///< What the job is, in one line.
  Path program = {};            ///< wanfarm, where the site says nothing of it.
  std::vector<std::string> arguments = {};  ///< Of the program: "render", the list, flags.
};

/// The script's text. Throws Error(input) when the folders' names have a quote or a line break, which #SBATCH lines
/// cannot have.
std::string to_text(const JobScript& script);

/// The log of a job, as Slurm names it.
Path log_of_job(const Path& logs, const std::string& job);

/// What --dependency takes: "42" stands for afterany:42, anything else as sbatch reads it. Throws Error(input) when it
/// cannot be that.
std::string dependency_of(const std::string& text);

}  // namespace wf
