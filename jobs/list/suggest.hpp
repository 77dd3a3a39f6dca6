// jobs/suggest.hpp: "did you mean": the known word nearest to what somebody typed.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace wf {

/// The known word that is at most a few slips away from `typed` (a letter wrong, missing, doubled or swapped; or one is
/// the beginning of the other), or "" when none is.
std::string_view nearest_word(std::string_view typed, std::span<const std::string_view> known);

/// "(did you mean 'frames'?)", or "(known: size, frames, ...)" when nothing is near.
std::string did_you_mean(std::string_view typed, std::span<const std::string_view> known);

}  // namespace wf
