// launcher/machine.hpp: what doctor finds out about this machine and this build.
#pragma once

#include <string>
#include <vector>

#include "cluster/files.hpp"

namespace wf {

/// A shared library that this process has loaded; its version stands in its real file name.
struct LoadedLibrary {
  std::string name;  ///< "libavcodec"
  Path file;         ///< links resolved: /usr/lib/.../libavcodec.so.59.37.100
};
std::vector<LoadedLibrary> loaded_libraries();

/// The instruction sets among AVX2, FMA, AVX-512, AVX-512 BF16 and AMX that this CPU has, and its name.
std::string cpu_features();
std::string cpu_name();

/// Names of the NVIDIA GPUs that the driver shows, whatever this build can do with them.
std::vector<std::string> gpus_of_driver();

}  // namespace wf
