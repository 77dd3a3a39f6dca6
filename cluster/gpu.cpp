#include "cluster/gpu.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cluster/proc_file.hpp"

namespace wf {

std::vector<std::string> gpus_of_driver() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& gpu : std::filesystem::directory_iterator("/proc/driver/nvidia/gpus", error))
    names.push_back(proc_value(gpu.path() / "information", "Model"));
  return names;
}

std::string driver_version() {
  // "Kernel Module  580.82.07  Tue Aug ..." or "... Open Kernel Module for x86_64  580.82.07  Release Build ...".
  std::istringstream line(proc_value("/proc/driver/nvidia/version", "NVRM version"));
  for (std::string word; line >> word;) {
    const bool is_version = word.find_first_not_of("0123456789.") == std::string::npos;
    if (is_version && word.find('.') != std::string::npos) return word;
  }
  return "";
}

}  // namespace wf
