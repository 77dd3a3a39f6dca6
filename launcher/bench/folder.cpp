#include "launcher/bench/folder.hpp"

namespace wf {

BenchFolder::BenchFolder(const std::optional<Path>& wanted) {
  if (wanted) make_folder(*wanted);
  path_ = wanted ? *wanted : temporary_.emplace("wanfarm-bench").path();
}

}  // namespace wf
