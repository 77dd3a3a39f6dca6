// base/temporary_folder.hpp: a folder for a while.
#pragma once

#include <string>

#include "base/files.hpp"

namespace wf {

/// An empty folder among the system's temporary files ($TMPDIR), which the destructor removes with all that is in it.
class TemporaryFolder {
 public:
  /// `name`: how its name begins. Throws storage when it cannot be made.
  explicit TemporaryFolder(const std::string& name);
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const Path& path() const { return path_; }

 private:
  Path path_;
};

}  // namespace wf
