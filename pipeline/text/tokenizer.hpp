// pipeline/text/tokenizer.hpp: the Unigram tokenizer that a Hugging Face tokenizer.json or a spiece.model describes.
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
  /// Reads a tokenizer.json or a spiece.model, told apart by their content. Throws environment when the file cannot be
  /// read or as the two functions below do; input when it is a pointer of Git LFS.
  explicit Tokenizer(const Path& file);
  /// Parses the text of a tokenizer.json; `name` stands for the file in errors. Throws environment, naming file and
  /// key, when it is not JSON, the model type is not Unigram, a normalizer, pre-tokenizer or post-processor is not
  /// supported (normalizer.hpp, pre_tokenizer.hpp), a piece is listed twice, a score is no number, or unk_id is out of
  /// range.
  Tokenizer(std::string_view json, const std::string& name);
  /// Parses the bytes of a spiece.model; `name` stands for the file in errors. Its ids are those of the tokenizer.json
  /// that is published with umT5, not SentencePiece's: a run of unknown characters is one <unk> instead of the bytes'
  /// pieces, spaces are not merged, and 300 extra ids and the special pieces are found in a text. Throws environment
  /// for what read_sentencepiece_file() refuses (sentencepiece_file.hpp), a damaged charsmap, and a piece listed twice.
  static Tokenizer from_sentencepiece(std::string_view bytes, const std::string& name);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  /// The ids of a cleaned UTF-8 text (clean_text.hpp), including those that the file adds around it (`</s>`), and
  /// truncated so that all together are at most max_length. Throws environment for a character that no piece covers
  /// if the file has no unk_id.
  std::vector<std::int64_t> encode(std::string_view cleaned, std::size_t max_length = 512) const;
  /// The largest id + 1, including added tokens.
  std::int64_t vocabulary_size() const;
  /// The text of a token. Throws input when there is no such id.
  std::string piece(std::int64_t id) const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace wf
