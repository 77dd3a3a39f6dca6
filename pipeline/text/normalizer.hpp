// pipeline/text/normalizer.hpp: the "normalizer" of a tokenizer.json as a function.
#pragma once

#include <functional>
#include <string>

#include "pipeline/text/json_view.hpp"

namespace wf {

/// Rewrites one chunk of valid UTF-8 text into valid UTF-8.
using Normalizer = std::function<std::string(std::string)>;

/// null, Sequence, Precompiled, NFC, NFD, NFKC, NFKD, Nmt, Lowercase, Strip, StripAccents, Prepend, Replace (a string,
/// or a pattern of pattern.hpp), BertNormalizer. Throws environment naming the place and the type for any other.
/// Normal forms and marks are those of utf8proc's Unicode; tokenizers 0.21 does not yet know some 500 characters that
/// came after Unicode 11, and leaves them as they are.
Normalizer read_normalizer(const JsonView& description);

}  // namespace wf
