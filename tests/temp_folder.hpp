// tests/temp_folder.hpp: a folder of its own for one test, gone with it.
#pragma once

#include <stdlib.h>

#include <fstream>
#include <stdexcept>
#include <string>

#include "cluster/files.hpp"

namespace wf::test {

class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "wanfarm-test-XXXXXX").string();
    if (!::mkdtemp(name.data())) throw std::runtime_error("no temporary folder can be made");
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
  /// Writes a file (its folders too) and returns where it is.
  Path write(const Path& name, const std::string& content) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << content;
    return path_ / name;
  }

 private:
  Path path_;
};

}  // namespace wf::test
