// tests/fuzz/fuzz_tokenizer.cpp: the tokenizer. Input: a tokenizer.json; one that is accepted must encode any text to
// ids of its vocabulary, at most as many as requested.
#include "pipeline/text/tokenizer.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace wf;
  fuzz::refusing(Error::environment, [&] {
    const Tokenizer tokenizer(fuzz::text_of(data, size), "fuzz.json");
    const auto ids = tokenizer.encode(
        "a cat </s> sat on <extra_id_0> the \xE2\x96\x81mat \xEF\xBC\xA1 \xF0\x9F\x90\x88 e\xCC\x81 \xFF", 32);
    fuzz::require(ids.size() <= 32, "more ids than asked for came back");
    for (const std::int64_t id : ids)
      fuzz::require(id >= 0 && id < tokenizer.vocabulary_size(), "an id is not of the vocabulary");
  });
  return 0;
}
