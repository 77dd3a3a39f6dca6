// tests/temp_folder.hpp: a temporary folder for one test.
#pragma once

#include <stdlib.h>

#include <fstream>
#include <stdexcept>
#include <string>

#include "base/files.hpp"

namespace wf::test {

/// A new, empty folder that is removed with all its content when the object is destroyed.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "wanfarm-test-XXXXXX").string();
    if (!::mkdtemp(name.data())) throw std::runtime_error("cannot make a temporary folder");
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const Path& path() const noexcept { return path_; }
  Path operator/(const std::string& name) const { return path_ / name; }
  /// Writes a file, making its folders, and returns its path.
  Path write(const Path& name, const std::string& content) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << content;
    return path_ / name;
  }

 private:
  Path path_;
};

}  // namespace wf::test
