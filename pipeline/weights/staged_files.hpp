// pipeline/weights/staged_files.hpp: copies of a model's files on a node's own disk, so that a file system that many
// nodes share is read once by each node.
#pragma once

#include <string>

#include "pipeline/weights/model_files.hpp"

namespace wf {

/// The same model in FOLDER/wanfarm-ID, where ID is the beginning of `id`, which is identity(model): copied there, or
/// found there when its identity is the same. Of all processes of the node that ask for it one copies, and the others
/// wait for it; a copy that a killed process left incomplete is made anew. Files keep their names and dates. The root
/// stays: it is for messages, and for what lies beside the model.
///
/// Throws environment, with both numbers, when the folder's disk has not enough space left; storage when the folder
/// cannot be written; environment when a copy differs from what was copied, or a file cannot be read.
ModelFiles staged(const ModelFiles& model, const std::string& id, const Path& folder);

/// FOLDER/wanfarm-ID
Path staging_folder(const std::string& id, const Path& folder);

}  // namespace wf
