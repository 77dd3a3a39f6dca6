// pipeline/weights/strict_json.hpp: JSON that must not say a thing twice.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "cluster/files.hpp"

namespace wf {

/// Throws broken(where): not JSON (with the byte), or a key twice in one object, which parsers otherwise drop silently.
nlohmann::json parse_strict_json(std::string_view text, const std::string& where);

/// The same from a file. Throws environment when it cannot be read.
nlohmann::json read_strict_json(const Path& file);

}  // namespace wf
