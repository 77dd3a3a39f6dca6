#include "pipeline/stages/tokenize.hpp"

#include <ATen/core/Tensor.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <string_view>

#include "base/error.hpp"
#include "pipeline/text/clean_text.hpp"
#include "pipeline/weights/checkpoint.hpp"

namespace wf {
namespace {

void add_piece(std::string_view piece, std::string& text) {
  constexpr std::string_view space = "\u2581";  // how pieces spell it
  for (std::size_t size = 0; !piece.empty(); piece.remove_prefix(size)) {
    const bool is_space = piece.starts_with(space);
    size = is_space ? space.size() : 1;
    if (!is_space || !text.empty()) text += is_space ? ' ' : piece.front();
  }
}

/// A few words of a text, from this token on, of which the first one may be the rest of a word.
std::string text_from(const std::vector<std::int64_t>& ids, std::size_t first, const Tokenizer& tokenizer) {
  constexpr std::size_t some = 12;
  const std::size_t last = std::min(ids.size() - 1, first + some);  // without the end of the text
  std::string text;
  for (std::size_t i = first; i < last; ++i) add_piece(tokenizer.piece(ids[i]), text);
  return text;
}

}  // namespace

Tokenizer read_tokenizer(const ModelFiles& files) {
  if (files.tokenizer != files.text_encoder) return Tokenizer(files.tokenizer);
  const at::Tensor bytes = Checkpoint(files.text_encoder).load_alone(tokenizer_tensor);
  return Tokenizer::from_sentencepiece({static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes()},
                                       files.text_encoder.string() + ": tensor " + tokenizer_tensor);
}

std::vector<std::int64_t> tokenize(const std::string& text, const Tokenizer& tokenizer) {
  return tokenizer.encode(clean_text(text), std::numeric_limits<std::size_t>::max());
}

void check_length(const std::vector<std::int64_t>& ids, std::int64_t most, const Tokenizer& tokenizer) {
  if (std::ssize(ids) <= most) return;
  throw Error(Error::input,
              fmt::format("a text of {} tokens, but this model takes {}: shorten it; what does not fit begins with "
                          "\"{}\"",
                          ids.size(), most, text_from(ids, static_cast<std::size_t>(most - 1), tokenizer)));
}

}  // namespace wf
