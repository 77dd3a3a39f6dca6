// launcher/cli/model_flags.hpp: the flags that say which model is used: a folder, parts of it, LoRAs.
#pragma once

#include <vector>

#include "jobs/model_source.hpp"
#include "launcher/cli/command.hpp"

namespace wf {

/// --model and the flags for parts and LoRAs, whose values are stored in `model`. All throw Error(input) for an empty
/// path.
std::vector<Flag> model_flags(ModelSource& model);

}  // namespace wf
