#include "launcher/bench/folder.hpp"

#include <stdlib.h>

#include "base/error.hpp"

namespace wf {

BenchFolder::BenchFolder(const std::optional<Path>& wanted) : temporary_(!wanted) {
  if (wanted) {
    make_folder(*wanted);
    path_ = *wanted;
  } else {
    std::string name = (std::filesystem::temp_directory_path() / "wanfarm-bench-XXXXXX").string();
    if (!::mkdtemp(name.data())) throw Error(Error::storage, name + ": this temporary folder cannot be made");
    path_ = name;
  }
}

BenchFolder::~BenchFolder() {
  std::error_code ignored;
  if (temporary_) std::filesystem::remove_all(path_, ignored);
}

}  // namespace wf
