// launcher/options/version.hpp: the version of this program, as CMakeLists.txt sets it.
#pragma once

namespace wf {

inline constexpr const char* version = WF_VERSION;

}  // namespace wf
