#include "base/paths.hpp"

namespace wf {

Path absolute_folder(const Path& path) { return without_slash(std::filesystem::absolute(path).lexically_normal()); }

Path without_slash(const Path& path) { return path.has_filename() ? path : path.parent_path(); }

}  // namespace wf
