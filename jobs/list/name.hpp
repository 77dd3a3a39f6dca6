// jobs/list/name.hpp: the names of clips, which are the names of their files without an ending.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace wf {

/// The name of a clip without a given one, "{index}-{slug}-s{seed}": 0001-two-anthropomorphic-cats-s42. The slug is
/// ASCII, at most 40 characters and never empty: the prompt's first words, or "clip-" and six hex digits of a hash for
/// a prompt without ASCII letters. Without a seed the name contains "{seed}" instead.
std::string default_name(int index, const std::string& prompt, std::optional<std::int64_t> seed);

/// The name with every "{seed}" replaced by the seed.
std::string with_seed(std::string name, std::int64_t seed);

/// Whether the name contains "{seed}".
bool needs_seed(const std::string& name);

/// Throws Error(input) when a name chosen by a user cannot be a file name on every system.
void check_name(const std::string& name);

}  // namespace wf
