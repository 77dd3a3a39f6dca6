#include "base/check.hpp"

#include <filesystem>
#include <string>

#include "base/error.hpp"

namespace wf {

void check_failed(const char* condition, const char* file, int line) {
  throw Error(Error::internal,
              "a bug in wanfarm, please report it: " + std::filesystem::path(file).filename().string() + ":" +
                  std::to_string(line) + ": " + condition + " does not hold");
}

}  // namespace wf
