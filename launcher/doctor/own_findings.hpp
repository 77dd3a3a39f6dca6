// launcher/doctor/own_findings.hpp: what one process finds out without other ranks: its node, its build, a checkpoint.
#pragma once

#include "jobs/model_source.hpp"
#include "launcher/doctor/finding.hpp"

namespace wf {

/// Processor, memory, disk and GPUs of this node.
Findings node_findings();

/// The launcher that --ranks would use: mpirun, or srun in a Slurm job.
Finding starter_finding();

/// What this program was built with, and which of the libraries it has loaded.
Findings build_findings();

/// Whether the model that these flags name is complete, and what is probably a mistake in it.
Findings model_findings(const ModelSource& flags);

}  // namespace wf
