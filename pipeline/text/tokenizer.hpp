// pipeline/text/tokenizer.hpp: the Unigram tokenizer that a Hugging Face tokenizer.json describes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/files.hpp"

namespace wf {

class Tokenizer {
 public:
  /// Reads tokenizer.json. Throws environment naming file and key: not JSON, another model type than Unigram, a normalizer
  /// or pre-tokenizer that is not supported, a piece twice, a score that is no number, an unk_id out of range.
  explicit Tokenizer(const Path& tokenizer_json);
  /// The same from memory; `name` stands in errors.
  Tokenizer(std::string_view json, const std::string& name);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  /// Cleaned UTF-8 text -> ids, `</s>` appended, cut to at most max_length ids including `</s>`.
  std::vector<std::int64_t> encode(std::string_view cleaned, std::size_t max_length = 512) const;
  std::int64_t vocabulary_size() const;  ///< largest id + 1, added tokens included
  std::string piece(std::int64_t id) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace wf
