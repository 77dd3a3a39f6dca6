// launcher/bench/folder.hpp: where measured clips go.
#pragma once

#include <optional>
#include <string>

#include "cluster/files.hpp"

namespace wf {

/// The folder that is wanted, made if need be; or one of its own, gone afterwards.
class BenchFolder {
 public:
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
