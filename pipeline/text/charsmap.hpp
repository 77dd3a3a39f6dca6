// pipeline/text/charsmap.hpp: SentencePiece's precompiled_charsmap, read as Hugging Face's tokenizers reads it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wf {

/// Bytes of standard base64 with its padding; nothing when it is not.
std::optional<std::string> decode_base64(std::string_view text);

/// A table of replacements: [u32 bytes of trie][double-array trie of u32 units][replacements, each ended by \0].
/// A damaged trie gives wrong replacements or none, never a read outside of it and never invalid UTF-8.
class Charsmap {
 public:
  /// Throws environment (without naming a file) when the parts do not fit into `bytes`.
  explicit Charsmap(std::string_view bytes);

  /// A grapheme of fewer than 6 bytes is replaced as a whole by the entry of its shortest prefix that has one; else
  /// character by character. (SentencePiece takes the longest; the published ids come from this rule.)
  std::string apply(std::string_view text) const;

 private:
  std::optional<std::string_view> replacement(std::string_view part) const;

  std::vector<std::uint32_t> trie_;
  std::string replacements_;
};

}  // namespace wf
