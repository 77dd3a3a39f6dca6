#include "base/paths.hpp"

namespace wf {

Path absolute_folder(const Path& path) {
  const Path whole = std::filesystem::absolute(path).lexically_normal();
  return whole.has_filename() ? whole : whole.parent_path();
}

}  // namespace wf
