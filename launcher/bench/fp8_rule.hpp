// launcher/bench/fp8_rule.hpp: which blocks and steps are to be exact where others are computed from 8-bit numbers, by
// errors that `bench fp8` has measured.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "pipeline/exact_blocks.hpp"

namespace wf {

/// An error counts as conspicuous when it is more than so many times the median's.
constexpr double conspicuous = 2;

/// The blocks with a conspicuous error. errors: one for each block, relative to what the block adds.
BlockNumbers conspicuous_blocks(const std::vector<double>& errors);

/// Errors of a clip's steps, which are counted from 0; not of all of them.
using StepErrors = std::map<std::int64_t, double>;

/// Whether the first or the last of a clip's `steps` steps is among those measured, and its error conspicuous.
bool ends_are_conspicuous(const StepErrors& errors, std::int64_t steps);

/// The flags that make it so: "--fp8-exact-blocks high:0,low:39 --fp8-exact-steps auto". Where the ends are conspicuous
/// one step at each is exact in all clips, else in those in which that is so anyway.
std::string rule_flags(const ExactBlocks& blocks, bool ends_conspicuous);

}  // namespace wf
