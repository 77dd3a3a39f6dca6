#include "launcher/doctor/finding.hpp"

#include <spdlog/fmt/fmt.h>

#include <iostream>
#include <string>

namespace wf {
namespace {

constexpr const char* marks[] = {"ok", "warn", "missing"};

/// Some have several lines: a model's missing files, a library's words.
std::string in_column(const std::string& words) {
  std::string lines;
  for (const char letter : words) lines += letter == '\n' ? "\n" + std::string(24, ' ') : std::string(1, letter);
  return lines;
}

}  // namespace

void Diagnosis::show(const Findings& findings) {
  for (const Finding& finding : findings) {
    std::cout << fmt::format("{:<8}{:<16}{}\n", marks[finding.mark], finding.what, in_column(finding.words));
    something_missing_ |= finding.mark == Finding::missing;
  }
  std::cout.flush();  // what comes next may take seconds
}

}  // namespace wf
