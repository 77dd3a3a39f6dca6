// base/base64.hpp: bytes as text of 64 printable characters (RFC 4648, section 4).
#pragma once

#include <string>
#include <string_view>

namespace wf {

/// Four characters for three bytes, padded with "=".
std::string base64(std::string_view bytes);

}  // namespace wf
