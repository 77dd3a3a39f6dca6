// pipeline/text/tokenizer.cpp: the steps from text to ids: split at added tokens, normalize the chunks between them,
// split these into words, and words into pieces.
#include "pipeline/text/tokenizer.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/lfs_pointer.hpp"
#include "pipeline/text/added_tokens.hpp"
#include "pipeline/text/json_view.hpp"
#include "pipeline/text/normalizer.hpp"
#include "pipeline/text/pre_tokenizer.hpp"
#include "pipeline/text/sentencepiece_file.hpp"
#include "pipeline/text/tokenizer_file.hpp"
#include "pipeline/text/unicode.hpp"
#include "pipeline/text/unigram.hpp"

namespace wf {
namespace {

using Ids = std::vector<std::int64_t>;

// The ids that the post-processor adds before and after a text.
struct Template {
  Ids before, after;
};

void append_special_ids(const JsonView& post_processor, const std::string& token, std::int64_t vocabulary_size,
                        Ids& to) {
  const JsonView ids = post_processor.at("special_tokens").at(token).at("ids");
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::uint64_t id = ids.at(i).count();
    if (id >= static_cast<std::uint64_t>(vocabulary_size))
      ids.at(i).fail(std::to_string(id) + " is not in the vocabulary");
    to.push_back(static_cast<std::int64_t>(id));
  }
}

Template read_template(const JsonView& post_processor, std::int64_t vocabulary_size) {
  Template around;
  if (post_processor.is_null()) return around;
  const std::string type = post_processor.type();
  if (type != "TemplateProcessing") post_processor.fail("the post-processor \"" + type + "\" is not supported");
  const JsonView single = post_processor.at("single");
  bool behind_text = false;
  for (std::size_t i = 0; i < single.size(); ++i) {
    const JsonView part = single.at(i);
    if (part.has("Sequence")) {
      if (behind_text || part.at("Sequence").at("id").text() != "A") part.fail("must not be a second sequence");
      behind_text = true;
      continue;
    }
    const std::string token = part.at("SpecialToken").at("id").text();
    append_special_ids(post_processor, token, vocabulary_size, behind_text ? around.after : around.before);
  }
  if (!behind_text) single.fail("must hold the sequence A");
  return around;
}

std::int64_t size_with_added(const Unigram& model, const AddedTokens& added) {
  const auto pieces = static_cast<std::int64_t>(model.vocabulary().size());
  return added.contents.empty() ? pieces : std::max<std::int64_t>(pieces, added.contents.rbegin()->first + 1);
}

Unigram read_model(const JsonView& model, Vocabulary vocabulary) {
  if (model.type() != "Unigram") model.at("type").fail("must be Unigram, not " + model.type());
  std::optional<std::uint32_t> unknown;
  if (model.has("unk_id")) {
    const std::uint64_t id = model.at("unk_id").count();
    if (id >= vocabulary.size()) {
      model.at("unk_id").fail(std::to_string(id) + " is not one of the " + std::to_string(vocabulary.size()) +
                              " pieces");
    }
    unknown = static_cast<std::uint32_t>(id);
  }
  const bool byte_fallback = model.flag_or("byte_fallback", false);
  try {
    return Unigram(std::move(vocabulary), unknown, byte_fallback);
  } catch (const Error& error) {
    model.at("vocab").fail(error.what());
  }
}

// Whether truncation removes the beginning of a text instead of its end.
bool read_cuts_left(const JsonView& file) {
  if (!file.has("truncation") || !file.at("truncation").has("direction")) return false;
  const JsonView direction = file.at("truncation").at("direction");
  if (direction.text() != "Left" && direction.text() != "Right") direction.fail("must be Left or Right");
  return direction.text() == "Left";
}

void cut(Ids& ids, std::size_t length, bool cuts_left) {
  if (ids.size() <= length) return;
  const auto surplus = static_cast<std::ptrdiff_t>(ids.size() - length);
  cuts_left ? ids.erase(ids.begin(), ids.begin() + surplus) : ids.erase(ids.end() - surplus, ids.end());
}

Tokenizer of_file(const Path& path) {
  const MappedFile file(path);
  refuse_lfs_pointer(file.text(), path.string());
  return is_sentencepiece(file.text()) ? Tokenizer::from_sentencepiece(file.text(), path.string())
                                       : Tokenizer(file.text(), path.string());
}

Normalizer normalizer_of(const SentencePieceFile& file) {
  return file.charsmap.empty() ? [](std::string text) { return text; } : precompiled(file.charsmap);
}

AddedTokens added_of(const SentencePieceFile& file, const Normalizer& normalizer) {
  std::vector<AddedToken> tokens;
  for (const std::uint32_t id : file.added) tokens.push_back({id, std::string(file.vocabulary.piece(id))});
  return AddedTokens(tokens, normalizer);
}

JsonView optional_part(const JsonView& file, const std::string& key) {
  static const nlohmann::json null = nullptr;
  return file.has(key) ? file.at(key) : JsonView(null, key);
}

}  // namespace

struct Tokenizer::Impl {
  Unigram model;
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  AddedTokens added;
  Template around;
  bool cuts_left;

  void append_chunk(const Chunk& chunk, Ids& ids) const {
    const std::string normalized = normalizer(chunk.text);
    bool first = true;
    for (const TextPart& part : added.in_normalized_text.split(normalized)) {
      if (part.id) {
        ids.push_back(*part.id);
      } else {
        for (const Chunk& word : pre_tokenizer({{std::string(part.text), chunk.at_start && first}})) {
          model.append_ids(word.text, ids);
        }
      }
      first = false;
    }
  }

  Ids text_ids(std::string_view text) const {
    Ids ids;
    for (const TextPart& part : added.in_text.split(text)) {
      if (part.id) {
        ids.push_back(*part.id);
      } else {
        append_chunk({std::string(part.text), part.text.data() == text.data()}, ids);
      }
    }
    return ids;
  }
};

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Tokenizer::Tokenizer(const Path& file) : Tokenizer(of_file(file)) {}

Tokenizer::Tokenizer(std::string_view json, const std::string& name) {
  TokenizerFile parsed = read_tokenizer_file(json, name);
  const JsonView file(parsed.root, name + ":");
  Unigram model = read_model(file.at("model"), std::move(parsed.vocabulary));
  Normalizer normalizer = read_normalizer(optional_part(file, "normalizer"));
  PreTokenizer pre_tokenizer = read_pre_tokenizer(optional_part(file, "pre_tokenizer"));
  AddedTokens added;
  if (file.has("added_tokens")) added = read_added_tokens(file.at("added_tokens"), model, normalizer);
  const JsonView post_processor = optional_part(file, "post_processor");
  Template around = read_template(post_processor, size_with_added(model, added));
  impl_.reset(new Impl{std::move(model), std::move(normalizer), std::move(pre_tokenizer), std::move(added),
                       std::move(around), read_cuts_left(file)});
}

Tokenizer Tokenizer::from_sentencepiece(std::string_view bytes, const std::string& name) {
  SentencePieceFile file = read_sentencepiece_file(bytes, name);
  try {
    Normalizer normalizer = normalizer_of(file);
    AddedTokens added = added_of(file, normalizer);
    Unigram model(std::move(file.vocabulary), file.unknown, /*byte_fallback=*/false);
    return Tokenizer(std::unique_ptr<Impl>(new Impl{std::move(model), std::move(normalizer),
                                                    sentencepiece_pre_tokenizer(file.prefix), std::move(added),
                                                    Template{{}, {file.end}}, /*cuts_left=*/false}));
  } catch (const Error& error) {
    throw Error(Error::environment, name + ": " + error.what());
  }
}

Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

Ids Tokenizer::encode(std::string_view cleaned, std::size_t max_length) const {
  const Template& around = impl_->around;
  Ids text = impl_->text_ids(valid_utf8(cleaned));
  const std::size_t special = around.before.size() + around.after.size();
  cut(text, max_length - std::min(max_length, special), impl_->cuts_left);
  Ids ids = around.before;
  ids.insert(ids.end(), text.begin(), text.end());
  ids.insert(ids.end(), around.after.begin(), around.after.end());
  cut(ids, max_length, impl_->cuts_left);
  return ids;
}

std::int64_t Tokenizer::vocabulary_size() const { return size_with_added(impl_->model, impl_->added); }

std::string Tokenizer::piece(std::int64_t id) const {
  if (id < 0 || id >= vocabulary_size()) {
    throw Error(Error::input, "there is no piece with the id " + std::to_string(id) + "; the largest is " +
                                  std::to_string(vocabulary_size() - 1));
  }
  const auto number = static_cast<std::uint32_t>(id);
  const Vocabulary& vocabulary = impl_->model.vocabulary();
  return number < vocabulary.size() ? std::string(vocabulary.piece(number)) : impl_->added.contents.at(number);
}

}  // namespace wf
