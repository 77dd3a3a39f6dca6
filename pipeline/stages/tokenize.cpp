#include "pipeline/stages/tokenize.hpp"

#include "pipeline/text/clean_text.hpp"

namespace wf {

std::vector<std::int64_t> tokenize(const std::string& text, const Tokenizer& tokenizer, std::size_t max_length) {
  return tokenizer.encode(clean_text(text), max_length);
}

}  // namespace wf
