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

/// Cleans a text as the official code does (pipeline/text/clean_text.hpp) and returns its token ids, at least one, of
/// which the last is `</s>`. They are neither cut, however many they are, nor padded (encode_text.hpp says why).
std::vector<std::int64_t> tokenize(const std::string& text, const Tokenizer& tokenizer);

/// Throws input if a text has more than `most` token ids: the official code cuts it there without a word. The message
/// says how many it has, and where those begin that would be lost.
void check_length(const std::vector<std::int64_t>& ids, std::int64_t most, const Tokenizer& tokenizer);

}  // namespace wf
