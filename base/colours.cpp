#include "base/colours.hpp"

#include <cstdlib>

namespace wf {

bool colours_are_welcome() {
  const char* const value = std::getenv("NO_COLOR");
  return !value || !*value;
}

}  // namespace wf
