// pipeline/text/normalizer.hpp: turns the "normalizer" of a tokenizer.json, or the charsmap of a spiece.model, into a
// function.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "pipeline/text/json_view.hpp"

namespace wf {

/// Rewrites one chunk of valid UTF-8 text into valid UTF-8.
using Normalizer = std::function<std::string(std::string)>;

/// The normalizer that `description` names. Supported: null, Sequence, Precompiled, NFC, NFD, NFKC, NFKD, Nmt,
/// Lowercase, Strip, StripAccents, Prepend, Replace (a string, or a pattern of pattern.hpp) and BertNormalizer. Throws
/// environment naming place and type for any other. Normal forms and marks follow utf8proc's Unicode version, while
/// tokenizers 0.21 leaves some 500 characters that came after Unicode 11 unchanged.
Normalizer read_normalizer(const JsonView& description);

/// The normalizer of a precompiled_charsmap (charsmap.hpp). Throws environment, without naming a file, when it is
/// damaged.
Normalizer precompiled(std::string_view charsmap);

}  // namespace wf
