// pipeline/weights/strict_json.hpp: a JSON parser that refuses duplicate keys.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/files.hpp"

namespace wf {

/// The parsed text. Throws broken(where) when it is not JSON (naming the byte) or an object has a key twice, which
/// other parsers resolve silently.
nlohmann::json parse_strict_json(std::string_view text, const std::string& where);

/// The parsed content of a file. Throws like parse_strict_json(), environment when the file cannot be read, and input
/// for a pointer of Git LFS.
nlohmann::json read_strict_json(const Path& file);

}  // namespace wf
