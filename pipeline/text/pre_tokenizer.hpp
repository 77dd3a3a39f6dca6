// pipeline/text/pre_tokenizer.hpp: the "pre_tokenizer" of a tokenizer.json as a function.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "pipeline/text/json_view.hpp"

namespace wf {

struct Chunk {
  std::string text;       // valid UTF-8, never empty
  bool at_start = false;  // of the whole text: Metaspace can treat it in its own way
};

/// Cuts a chunk into words; no piece of the vocabulary spans two of them.
using PreTokenizer = std::function<std::vector<Chunk>(std::vector<Chunk>)>;

/// null, Metaspace (also in its older form with add_prefix_space), WhitespaceSplit, Whitespace, Sequence of these.
/// Throws environment naming the place and the type for any other.
PreTokenizer read_pre_tokenizer(const JsonView& description);

}  // namespace wf
