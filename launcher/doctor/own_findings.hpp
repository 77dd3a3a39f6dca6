// launcher/doctor/own_findings.hpp: what one process finds out without others: its machine, its build, a model.
#pragma once

#include "cluster/files.hpp"
#include "launcher/doctor/finding.hpp"

namespace wf {

/// Processor, memory, disk, GPUs.
Findings machine_findings();

/// What --ranks would start: mpirun, or srun within a Slurm job.
Finding starter_finding();

/// What this program was built with, and what of that it has loaded.
Findings build_findings();

/// Whether the checkpoint in this folder is complete.
Finding model_finding(const Path& folder);

}  // namespace wf
