// pipeline/text/tokenizer.hpp: the Unigram tokenizer that a Hugging Face tokenizer.json describes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.hpp"

namespace wf {

/// Turns text into token ids, with the ids of Hugging Face's tokenizers. encode() is safe from several threads.
class Tokenizer {
 public:
  /// Reads a tokenizer.json. Throws environment, naming file and key, when it is not JSON, the model type is not
  /// Unigram, a normalizer, pre-tokenizer or post-processor is not supported (normalizer.hpp, pre_tokenizer.hpp), a
  /// piece is listed twice, a score is no number, unk_id is out of range, or the file cannot be read; input when it is
  /// a pointer of Git LFS.
  explicit Tokenizer(const Path& tokenizer_json);
  /// Parses the text of a tokenizer.json; `name` stands for the file in errors.
  Tokenizer(std::string_view json, const std::string& name);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  /// The ids of a cleaned UTF-8 text (clean_text.hpp), including those that the file's post-processor adds (`</s>`),
  /// and truncated so that all together are at most max_length. Throws environment for a character that no piece covers
  /// if the file has no unk_id.
  std::vector<std::int64_t> encode(std::string_view cleaned, std::size_t max_length = 512) const;
  /// The largest id + 1, including added tokens.
  std::int64_t vocabulary_size() const;
  /// The text of a token. Throws input when there is no such id.
  std::string piece(std::int64_t id) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace wf
