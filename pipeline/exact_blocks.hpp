// pipeline/exact_blocks.hpp: which transformer blocks of the experts are computed without products of 8-bit numbers, as
// --fp8-exact-blocks says.
#pragma once

#include <cstdint>
#include <set>
#include <string>

namespace wf {

/// Numbers of an expert's blocks, from 0.
using BlockNumbers = std::set<std::int64_t>;

/// The blocks of each expert whose matrices are not rounded to 8 bits and whose products, those of self-attention
/// included, are exact in every step.
struct ExactBlocks {
  BlockNumbers high, low;
  bool any() const { return !high.empty() || !low.empty(); }
  bool operator==(const ExactBlocks&) const = default;
};

/// Reads numbers and ranges of blocks, separated by commas: "0,1,38-39" for both experts; after "high:" or "low:" those
/// of that expert, up to the other name: "high:0-1,low:39". "none" is no block. Throws input for any other text.
ExactBlocks parse_exact_blocks(const std::string& text);

/// The shortest such text, which is the same for all texts that mean the same blocks.
std::string to_string(const ExactBlocks& blocks);
/// The blocks of one expert in that way, and "" for no block.
std::string to_string(const BlockNumbers& blocks);

/// Throws input, naming --fp8-exact-blocks, when experts of `layers` blocks do not have all of these.
void check_exact_blocks(const ExactBlocks& blocks, std::int64_t layers);

}  // namespace wf
