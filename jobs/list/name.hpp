// jobs/name.hpp: what a clip's files are called.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace wf {

/// "{index}-{slug}-s{seed}": 0001-two-anthropomorphic-cats-s42. The slug is ASCII, at most 40 characters, never empty:
/// the prompt's first words, or "clip-" and six hex digits for a prompt without ASCII letters. Without a seed the name
/// holds "{seed}" in its place.
std::string default_name(int index, const std::string& prompt, std::optional<std::int64_t> seed);

/// The name with each "{seed}" in it replaced.
std::string with_seed(std::string name, std::int64_t seed);

/// Whether the name waits for a seed.
bool needs_seed(const std::string& name);

/// Throws Error(input) when a name chosen by a user is not fit for files on every system.
void check_name(const std::string& name);

}  // namespace wf
