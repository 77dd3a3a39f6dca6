#include "launcher/doctor/finding.hpp"

#include <spdlog/fmt/fmt.h>

#include <iostream>
#include <string>

namespace wf {
namespace {

constexpr const char* marks[] = {"ok", "warn", "missing"};

/// The text with its second and later lines indented to the column of the first.
std::string in_column(const std::string& text) {
  std::string indented;
  for (const char character : text) {
    indented += character;
    if (character == '\n') indented += std::string(24, ' ');
  }
  return indented;
}

}  // namespace

void Diagnosis::show(const Findings& findings) {
  for (const Finding& finding : findings) {
    std::cout << fmt::format("{:<8}{:<16}{}\n", marks[finding.mark], finding.what, in_column(finding.text));
    something_missing_ |= finding.mark == Finding::missing;
  }
  std::cout.flush();  // the next check may take seconds
}

}  // namespace wf
