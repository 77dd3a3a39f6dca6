// launcher/bench/folder.hpp: the folder that measured clips are written to.
#pragma once

#include <optional>
#include <string>

#include "base/temporary_folder.hpp"

namespace wf {

/// The folder that the user asked for, made if need be and kept; or a temporary one, which goes with this object.
class BenchFolder {
 public:
  /// Throws storage when the folder cannot be made.
  explicit BenchFolder(const std::optional<Path>& wanted);

  const Path& path() const { return path_; }
  Path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::optional<TemporaryFolder> temporary_;
  Path path_;
};

}  // namespace wf
