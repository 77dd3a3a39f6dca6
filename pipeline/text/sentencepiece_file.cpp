// pipeline/text/sentencepiece_file.cpp: the messages of a spiece.model, and the checks that need several of them.
#include "pipeline/text/sentencepiece_file.hpp"

#include <cmath>
#include <iterator>
#include <optional>

#include "base/error.hpp"
#include "base/text.hpp"
#include "pipeline/text/protobuf.hpp"
#include "pipeline/text/unicode.hpp"

namespace wf {
namespace {

constexpr std::size_t largest_file = std::size_t{32} << 20;
constexpr int extra_ids = 300;  // of umT5
constexpr std::string_view extra_id = "<extra_id_";

[[noreturn]] void fail(const std::string& what) { throw Error(Error::environment, what); }

// Reads a message; what is wrong in it gets its name in front.
template <class Read>
auto inside(const std::string& message, Read&& read) {
  try {
    return read();
  } catch (const Error& error) {
    throw Error(error.kind(), message + ": " + error.what());
  }
}

struct Piece {
  enum Type { normal = 1, unknown, control, user_defined, unused, byte };
  std::string_view text;
  float score = 0;
  int type = normal;
};

Piece read_piece(std::string_view message) {
  Piece piece;
  while (const auto field = next_field(message)) {
    field->read(1, "piece", piece.text);
    field->read(2, "score", piece.score);
    field->read(3, "type", piece.type);
  }
  if (piece.text.empty()) fail("piece is empty");
  if (valid_utf8(piece.text) != piece.text) fail("piece is not UTF-8");
  if (!std::isfinite(piece.score)) fail("score is not finite");
  if (piece.type < Piece::normal || piece.type > Piece::byte)
    fail("type " + std::to_string(piece.type) + " is unknown");
  return piece;
}

// The part of the message TrainerSpec that tokenizing depends on, with the defaults of SentencePiece.
struct TrainerSpec {
  int model_type = 1;
  bool space_is_suffix = false;
  int unknown = 0, begin = 1, end = 2, padding = -1;
};

void check_model_type(int type) {
  constexpr const char* names[] = {"", "Unigram", "BPE", "Word", "Char"};
  if (type == 1) return;
  const bool known = type > 0 && type < static_cast<int>(std::size(names));
  fail("model_type must be Unigram (1), not " + (known ? names[type] : std::to_string(type)));
}

TrainerSpec read_trainer_spec(std::string_view message) {
  TrainerSpec spec;
  while (const auto field = next_field(message)) {
    field->read(3, "model_type", spec.model_type);
    field->read(24, "treat_whitespace_as_suffix", spec.space_is_suffix);
    field->read(40, "unk_id", spec.unknown);
    field->read(41, "bos_id", spec.begin);
    field->read(42, "eos_id", spec.end);
    field->read(43, "pad_id", spec.padding);
  }
  check_model_type(spec.model_type);
  if (spec.space_is_suffix) fail("treat_whitespace_as_suffix is not supported");
  return spec;
}

struct NormalizerSpec {
  std::string_view charsmap;
  bool prefix = true;
};

NormalizerSpec read_normalizer_spec(std::string_view message) {
  NormalizerSpec spec;
  bool escapes_spaces = true;
  while (const auto field = next_field(message)) {
    field->read(2, "precompiled_charsmap", spec.charsmap);
    field->read(3, "add_dummy_prefix", spec.prefix);
    field->read(5, "escape_whitespaces", escapes_spaces);
  }
  if (!escapes_spaces) fail("escape_whitespaces false is not supported");
  return spec;
}

struct ModelProto {
  std::vector<Piece> pieces;
  std::optional<TrainerSpec> trainer;
  std::optional<NormalizerSpec> normalizer;
};

template <class Spec>
void read_once(std::optional<Spec>& spec, const ProtobufField& field, const char* name,
               Spec (*read)(std::string_view)) {
  if (spec) fail(std::string(name) + " is there twice");
  spec = inside(name, [&] { return read(field.bytes("it")); });
}

ModelProto read_model(std::string_view bytes) {
  ModelProto model;
  while (const auto field = next_field(bytes)) {
    if (field->number() == 1) {
      const std::string place = "pieces[" + std::to_string(model.pieces.size()) + "]";
      model.pieces.push_back(inside(place, [&] { return read_piece(field->bytes("it")); }));
    }
    if (field->number() == 2) read_once(model.trainer, *field, "trainer_spec", read_trainer_spec);
    if (field->number() == 3) read_once(model.normalizer, *field, "normalizer_spec", read_normalizer_spec);
  }
  if (model.pieces.empty() || !model.trainer || !model.normalizer)
    fail("has no pieces, no trainer_spec or no normalizer_spec (truncated, or no spiece.model?)");
  return model;
}

std::uint32_t unknown_piece(const ModelProto& model) {
  std::vector<std::size_t> found;
  for (std::size_t id = 0; id < model.pieces.size(); ++id)
    if (model.pieces[id].type == Piece::unknown) found.push_back(id);
  if (found.size() != 1) fail("has " + count_text(found.size(), "piece") + " of the type UNKNOWN instead of 1");
  if (static_cast<std::int64_t>(found[0]) != model.trainer->unknown)
    fail("trainer_spec: unk_id is " + std::to_string(model.trainer->unknown) +
         ", but the piece of the type UNKNOWN is " + std::to_string(found[0]));
  return static_cast<std::uint32_t>(found[0]);
}

// Whether the model has that special piece: an id of -1 says that it does without.
bool has_piece(const ModelProto& model, int id, const char* name) {
  if (id == -1) return false;
  if (id < 0 || static_cast<std::size_t>(id) >= model.pieces.size())
    fail("trainer_spec: " + std::string(name) + " " + std::to_string(id) + " is not one of the " +
         std::to_string(model.pieces.size()) + " pieces");
  return true;
}

std::uint32_t end_piece(const ModelProto& model) {
  if (!has_piece(model, model.trainer->end, "eos_id")) fail("trainer_spec: eos_id is -1, but every text needs an end");
  return static_cast<std::uint32_t>(model.trainer->end);
}

// The ids of the special pieces, each once.
std::set<std::uint32_t> special_pieces(const ModelProto& model) {
  const TrainerSpec& spec = *model.trainer;
  std::set<std::uint32_t> ids{unknown_piece(model), end_piece(model)};
  if (has_piece(model, spec.begin, "bos_id")) ids.insert(static_cast<std::uint32_t>(spec.begin));
  if (has_piece(model, spec.padding, "pad_id")) ids.insert(static_cast<std::uint32_t>(spec.padding));
  for (std::size_t id = 0; id < model.pieces.size(); ++id)
    if (model.pieces[id].text.starts_with(extra_id)) ids.insert(static_cast<std::uint32_t>(id));
  return ids;
}

void add_extra_ids(SentencePieceFile& file) {
  for (int i = extra_ids; i-- > 0;) {
    file.added.insert(static_cast<std::uint32_t>(file.vocabulary.size()));
    file.vocabulary.add(std::string(extra_id) + std::to_string(i) + ">", 0);
  }
}

SentencePieceFile build(const ModelProto& model) {
  SentencePieceFile file;
  bool has_extra_ids = false;
  for (const Piece& piece : model.pieces) {
    file.vocabulary.add(piece.text, piece.score);
    has_extra_ids = has_extra_ids || piece.text.starts_with(extra_id);
  }
  file.unknown = unknown_piece(model);
  file.end = end_piece(model);
  file.added = special_pieces(model);
  file.charsmap = model.normalizer->charsmap;
  file.prefix = model.normalizer->prefix;
  if (!has_extra_ids) add_extra_ids(file);
  return file;
}

}  // namespace

// A message begins with the key of its first field, here one of 1 to 3. JSON can begin with the first of these keys,
// which is a line feed, but then goes on with an object.
bool is_sentencepiece(std::string_view bytes) noexcept {
  const std::size_t text = bytes.find_first_not_of(" \t\r\n");
  return text != bytes.npos && bytes[text] != '{' && (bytes[0] == 0x0A || bytes[0] == 0x12 || bytes[0] == 0x1A);
}

SentencePieceFile read_sentencepiece_file(std::string_view bytes, const std::string& name) {
  return inside(name, [&] {
    if (bytes.size() > largest_file)
      fail("has " + std::to_string(bytes.size()) + " bytes, more than a spiece.model can have");
    return build(read_model(bytes));
  });
}

}  // namespace wf
