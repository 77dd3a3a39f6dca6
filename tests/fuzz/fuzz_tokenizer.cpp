// tests/fuzz/fuzz_tokenizer.cpp: the tokenizer. Input: a tokenizer.json; one that is accepted must encode any text to
// ids of its vocabulary, at most as many as requested.
#include "tests/fuzz/encoded.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace wf;
  fuzz::refusing(Error::environment, [&] { fuzz::require_ids(Tokenizer(fuzz::text_of(data, size), "fuzz.json")); });
  return 0;
}
