// base/paths.hpp: paths as other processes understand them.
#pragma once

#include "base/files.hpp"

namespace wf {

/// The folder's path from the root, without "." and ".." and without a slash at its end. It need not exist.
Path absolute_folder(const Path& path);

}  // namespace wf
