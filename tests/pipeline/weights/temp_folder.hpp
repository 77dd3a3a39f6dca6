// tests/pipeline/weights/temp_folder.hpp: a folder of this test's own, and what an error says.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "cluster/error.hpp"
#include "cluster/files.hpp"

namespace wf::made {

/// A new folder, removed by the destructor.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "wanfarm-weights-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw Error(Error::storage, name + ": cannot be made");
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const Path& path() const { return path_; }
  /// Writes a file (its folders too) and returns where it is.
  Path write(const Path& name, const std::string& content) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << content;
    return path_ / name;
  }

 private:
  Path path_;
};

/// The message of the environment error that `action` throws; another outcome fails the test.
template <class Action>
std::string environment_error(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::environment) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error was thrown";
  return "";
}

#define EXPECT_SAYS(message, words) \
  EXPECT_NE(std::string(message).find(words), std::string::npos) << "it says: " << (message)

}  // namespace wf::made
