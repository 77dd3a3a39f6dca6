// launcher/options/shared_settings.hpp: the choices with which every rank of a run has to be started, because they
// decide what comes out. What each rank may choose for itself (threads, device, memory, log) is not among them.
#pragma once

#include <map>
#include <string>

#include "launcher/options/run_options.hpp"

namespace wf {

/// Values as text, by the flags that set them. Those that a hardware preset fills in are as it filled them in.
using SharedSettings = std::map<std::string, std::string>;

SharedSettings shared_settings(const RunOptions& options);

/// The first setting in which a rank differs from rank 0: "--crf 18, and rank 0 with --crf 10"; "" when there is none.
/// Where one hardware preset stands for other values on other GPUs, says which flags make them the same.
std::string first_difference(const SharedSettings& own, const SharedSettings& of_rank_0);

}  // namespace wf
