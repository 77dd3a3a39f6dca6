// tests/temp_folder.hpp: a folder of its own for one test, gone with it.
#pragma once

#include <unistd.h>

#include <atomic>
#include <string>

#include "cluster/files.hpp"

namespace wf {

class TempFolder {
 public:
  TempFolder() {
    static std::atomic<int> count{0};
    path_ = std::filesystem::temp_directory_path() /
            ("wanfarm-test-" + std::to_string(::getpid()) + "-" + std::to_string(++count));
    std::filesystem::create_directories(path_);
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  Path operator/(const std::string& name) const { return path_ / name; }
  const Path& path() const noexcept { return path_; }

 private:
  Path path_;
};

}  // namespace wf
