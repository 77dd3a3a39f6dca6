// tests/fuzz/fuzz_sentencepiece.cpp: the tokenizer. Input: a spiece.model; one that is accepted must encode any text to
// ids of its vocabulary, at most as many as requested.
#include "tests/fuzz/encoded.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace wf;
  fuzz::refusing(Error::environment,
                 [&] { fuzz::require_ids(Tokenizer::from_sentencepiece(fuzz::text_of(data, size), "fuzz.model")); });
  return 0;
}
