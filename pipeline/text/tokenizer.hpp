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
  /// Reads tokenizer.json. Throws environment naming file and key: not JSON, another model type than Unigram, a
  /// normalizer, pre-tokenizer or post-processor that is not supported (normalizer.hpp, pre_tokenizer.hpp), a piece
  /// twice, a score that is no number, an unk_id out of range.
  explicit Tokenizer(const Path& tokenizer_json);
  /// The same from memory; `name` stands in errors.
  Tokenizer(std::string_view json, const std::string& name);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  /// Cleaned UTF-8 text -> ids, with what the file's post-processor adds (`</s>`), cut to at most max_length ids
  /// including that. Throws environment for a character that is in no piece when the file gives no unk_id.
  std::vector<std::int64_t> encode(std::string_view cleaned, std::size_t max_length = 512) const;
  std::int64_t vocabulary_size() const;      ///< largest id + 1, added tokens included
  std::string piece(std::int64_t id) const;  ///< throws input when there is no such id

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace wf
