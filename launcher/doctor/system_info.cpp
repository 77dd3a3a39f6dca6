#include "launcher/machine.hpp"

#include <link.h>

#include <algorithm>
#include <fstream>
#include <sstream>

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

/// The value of the first line "key : value" of a file in /proc.
std::string value_of(const Path& file, const std::string& key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t begin = line.find_first_not_of(" \t", line.find(':') + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return "";
}

}  // namespace

std::vector<LoadedLibrary> loaded_libraries() {
  std::vector<LoadedLibrary> libraries;
  dl_iterate_phdr(note_library, &libraries);
  return libraries;
}

std::string cpu_name() { return value_of("/proc/cpuinfo", "model name"); }

std::string cpu_features() {
  std::istringstream flags(value_of("/proc/cpuinfo", "flags"));
  std::string found;
  for (std::string flag; flags >> flag;) {
    for (const char* wanted : {"avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16"}) {
      if (flag == wanted) found += (found.empty() ? "" : " ") + flag;
    }
  }
  return found;
}

std::vector<std::string> gpus_of_driver() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& gpu : std::filesystem::directory_iterator("/proc/driver/nvidia/gpus", error))
    names.push_back(value_of(gpu.path() / "information", "Model"));
  return names;
}

std::string driver_version() {
  // "Kernel Module  580.82.07  Tue Aug ..." or "... Open Kernel Module for x86_64  580.82.07  Release Build ...".
  std::istringstream words(value_of("/proc/driver/nvidia/version", "NVRM version"));
  for (std::string word; words >> word;) {
    const bool is_version = word.find_first_not_of("0123456789.") == std::string::npos;
    if (is_version && word.find('.') != std::string::npos) return word;
  }
  return "";
}

}  // namespace wf
