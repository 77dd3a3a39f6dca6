// cluster/proc_file.hpp: values in the "KEY : VALUE" files of /proc.
#pragma once

#include <filesystem>
#include <string>

namespace wf {

/// The value in the first line of `file` that begins with `key`: what follows the colon, without leading blanks. Empty
/// when there is no such line or file.
std::string proc_value(const std::filesystem::path& file, const std::string& key);

}  // namespace wf
