// pipeline/text/charsmap.hpp: SentencePiece's precompiled_charsmap, applied as Hugging Face's tokenizers does it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wf {

/// The bytes that standard base64 with padding encodes; empty if the text is not base64.
std::optional<std::string> decode_base64(std::string_view text);

/// A table of replacements. Layout: [u32: bytes of the trie][double-array trie of u32 units][replacements, each
/// terminated by \0]. A damaged trie yields wrong replacements or none, but never invalid UTF-8 or an access out of
/// bounds.
class Charsmap {
 public:
  /// Throws environment (without naming a file) when `bytes` does not have that layout.
  explicit Charsmap(std::string_view bytes);

  /// Replaces every grapheme of fewer than 6 bytes by the entry of its shortest prefix that has one, and if there is
  /// none, or in longer graphemes, every character by its own. (SentencePiece takes the longest prefix, but the
  /// published token ids follow this rule.) UTF-8 in and out.
  std::string apply(std::string_view text) const;

 private:
  std::optional<std::string_view> replacement(std::string_view part) const;

  std::vector<std::uint32_t> trie_;
  std::string replacements_;
};

}  // namespace wf
