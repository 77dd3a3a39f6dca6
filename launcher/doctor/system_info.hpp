// launcher/doctor/system_info.hpp: what this process can ask its operating system: loaded libraries, and the CPU.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/files.hpp"

namespace wf {

/// A shared library that this process has loaded.
struct LoadedLibrary {
  std::string name;  ///< "libavcodec"
  Path file;         ///< With links resolved, so that it shows the version: /usr/lib/.../libavcodec.so.59.37.100.
};

std::vector<LoadedLibrary> loaded_libraries();

/// Those instruction sets among AVX2, FMA, AVX-512F, AVX-512 BF16 and AMX BF16 that this CPU has: "avx2 fma".
std::string cpu_features();

/// The model name of this CPU as /proc/cpuinfo has it.
std::string cpu_name();

}  // namespace wf
