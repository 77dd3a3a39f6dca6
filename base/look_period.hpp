// base/look_period.hpp: how often anything looks for news on a disk that many nodes share, or leaves news there that
// nobody waits for.
#pragma once

#include <chrono>

namespace wf {

inline constexpr std::chrono::seconds look_period{5};

}  // namespace wf
