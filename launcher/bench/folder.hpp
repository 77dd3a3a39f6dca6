// launcher/bench/folder.hpp: the folder that measured clips are written to.
#pragma once

#include <optional>
#include <string>

#include "base/files.hpp"

namespace wf {

/// The folder that the user asked for, made if need be and kept; or a temporary one, which the destructor removes.
class BenchFolder {
 public:
  /// Throws storage when the folder cannot be made.
  explicit BenchFolder(const std::optional<Path>& wanted);
  ~BenchFolder();
  BenchFolder(const BenchFolder&) = delete;
  BenchFolder& operator=(const BenchFolder&) = delete;

  const Path& path() const { return path_; }
  Path operator/(const std::string& name) const { return path_ / name; }

 private:
  bool temporary_;
  Path path_;
};

}  // namespace wf
