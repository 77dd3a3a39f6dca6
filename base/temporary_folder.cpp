#include "base/temporary_folder.hpp"

#include <stdlib.h>

#include "base/error.hpp"

namespace wf {

TemporaryFolder::TemporaryFolder(const std::string& name) {
  std::string path = (std::filesystem::temp_directory_path() / (name + "-XXXXXX")).string();
  if (!::mkdtemp(path.data())) throw Error(Error::storage, path + ": this temporary folder cannot be made");
  path_ = path;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace wf
