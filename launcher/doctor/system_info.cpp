#include "launcher/doctor/system_info.hpp"

#include <link.h>

#include <algorithm>
#include <sstream>

#include "cluster/proc_file.hpp"

namespace wf {
namespace {

int note_library(dl_phdr_info* info, std::size_t, void* out) {
  std::error_code error;
  const Path file = std::filesystem::canonical(info->dlpi_name, error);
  const std::string name = file.filename();
  if (!error && name.find(".so") != std::string::npos)
    static_cast<std::vector<LoadedLibrary>*>(out)->push_back({name.substr(0, name.find(".so")), file});
  return 0;
}

}  // namespace

std::vector<LoadedLibrary> loaded_libraries() {
  std::vector<LoadedLibrary> libraries;
  dl_iterate_phdr(note_library, &libraries);
  return libraries;
}

std::string cpu_name() { return proc_value("/proc/cpuinfo", "model name"); }

std::string cpu_features() {
  std::istringstream flags(proc_value("/proc/cpuinfo", "flags"));
  std::string found;
  for (std::string flag; flags >> flag;) {
    for (const char* wanted : {"avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16"}) {
      if (flag == wanted) found += (found.empty() ? "" : " ") + flag;
    }
  }
  return found;
}

}  // namespace wf
