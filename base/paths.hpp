// base/paths.hpp: paths as other processes understand them.
#pragma once

#include "base/files.hpp"

namespace wf {

/// The folder's path from the root, without "." and ".." and without a slash at its end. It need not exist.
Path absolute_folder(const Path& path);

/// The same path without a slash at its end, so that its last part is a name.
Path without_slash(const Path& path);

}  // namespace wf
