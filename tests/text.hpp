// tests/text.hpp: what tests look for in the texts that a program prints.
#pragma once

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

namespace wf {

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// The lines, without their ends.
inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> all;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) all.push_back(line);
  return all;
}

/// The lines, each a JSON value.
inline std::vector<nlohmann::json> json_lines_of(const std::string& text) {
  std::vector<nlohmann::json> all;
  for (const std::string& line : lines_of(text)) all.push_back(nlohmann::json::parse(line));
  return all;
}

}  // namespace wf
