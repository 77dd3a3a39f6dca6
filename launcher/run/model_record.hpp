// launcher/run/model_record.hpp: which files a model consists of, for sidecars.
#pragma once

#include "jobs/output/sidecar.hpp"
#include "pipeline/weights/model_files.hpp"

namespace wf {

/// The names of the parts' files, and every LoRA with its identity and strengths. Reads the LoRA files, of a large one
/// only samples. Throws environment when one cannot be read.
ModelRecord record_of(const ModelFiles& files);

}  // namespace wf
