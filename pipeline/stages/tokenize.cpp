#include "pipeline/stages/tokenize.hpp"

#include <ATen/core/Tensor.h>

#include "pipeline/text/clean_text.hpp"
#include "pipeline/weights/checkpoint.hpp"

namespace wf {

Tokenizer read_tokenizer(const ModelFiles& files) {
  if (files.tokenizer != files.text_encoder) return Tokenizer(files.tokenizer);
  const at::Tensor bytes = Checkpoint(files.text_encoder).load_alone(tokenizer_tensor);
  return Tokenizer::from_sentencepiece({static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes()},
                                       files.text_encoder.string() + ": tensor " + tokenizer_tensor);
}

std::vector<std::int64_t> tokenize(const std::string& text, const Tokenizer& tokenizer, std::size_t max_length) {
  return tokenizer.encode(clean_text(text), max_length);
}

}  // namespace wf
