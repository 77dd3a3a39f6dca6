// pipeline/text/pre_tokenizer.hpp: turns the "pre_tokenizer" of a tokenizer.json into a function, and holds that of a
// spiece.model.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "pipeline/text/json_view.hpp"

namespace wf {

/// A part of a text between added tokens, or a word of it.
struct Chunk {
  std::string text;       ///< Valid UTF-8, never empty.
  bool at_start = false;  ///< Whether the chunk begins the whole text, which Metaspace can treat differently.
};

/// Splits chunks into words; no piece of the vocabulary spans two words.
using PreTokenizer = std::function<std::vector<Chunk>(std::vector<Chunk>)>;

/// The pre-tokenizer that `description` names: null, Metaspace (also in its older form with add_prefix_space),
/// WhitespaceSplit, Whitespace, or a Sequence of these. Throws environment naming place and type for any other.
PreTokenizer read_pre_tokenizer(const JsonView& description);

/// SentencePiece's own: a word starts at every space, which is written as "▁". With `prefix` every chunk begins with
/// one.
PreTokenizer sentencepiece_pre_tokenizer(bool prefix);

}  // namespace wf
