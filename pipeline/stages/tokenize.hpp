// pipeline/stages/tokenize.hpp: a model's tokenizer, and how a prompt becomes the token ids that the text encoder
// reads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/text/tokenizer.hpp"
#include "pipeline/weights/model_files.hpp"

namespace wf {

/// The tokenizer of a model: a file of its own, or the SentencePiece model inside the text encoder's file. Throws what
/// Tokenizer throws.
Tokenizer read_tokenizer(const ModelFiles& files);

/// Cleans a text as the official code does (pipeline/text/clean_text.hpp) and returns its 1 to max_length token ids, of
/// which the last is `</s>`. Longer texts are cut. The ids are not padded (encode_text.hpp says why).
std::vector<std::int64_t> tokenize(const std::string& text, const Tokenizer& tokenizer, std::size_t max_length = 512);

}  // namespace wf
