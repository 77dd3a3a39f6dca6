// launcher/version.hpp: this program's version, as CMake knows it.
#pragma once

namespace wf {

inline constexpr const char* version = WF_VERSION;

}  // namespace wf
