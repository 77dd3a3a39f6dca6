// jobs/list/suggest.hpp: "did you mean": the known word nearest to what a user typed.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace wf {

/// The known word within a few slips of `typed` (a letter wrong, missing, doubled or swapped, or one word the beginning
/// of the other), or "" when no word is that near.
std::string_view nearest_word(std::string_view typed, std::span<const std::string_view> known);

/// "(did you mean 'frames'?)", or "(known: size, frames, ...)" when no word is near.
std::string did_you_mean(std::string_view typed, std::span<const std::string_view> known);

}  // namespace wf
