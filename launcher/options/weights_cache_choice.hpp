// launcher/options/weights_cache_choice.hpp: where converted weights are kept for later starts.
#pragma once

#include <string>

#include "cluster/node.hpp"
#include "launcher/options/run_options.hpp"

namespace wf {

/// The folder that a text stands for: `off`, none ("" ); `auto`, weights/ in the user's cache folder; else a folder.
/// Throws input when the text is empty, or a file is in the folder's place.
Path weights_cache_folder(const std::string& text, const Environment& variables);

/// What --weights-cache says, or else $WANFARM_WEIGHTS_CACHE, or else `off`: a model's copy takes up to 60 GB of a
/// disk, which nobody should find there without having asked for it. Throws as above.
std::string weights_cache_text(const RunOptions& options, const Environment& variables);
WeightsCache chosen_weights_cache(const RunOptions& options, const Environment& variables);

}  // namespace wf
