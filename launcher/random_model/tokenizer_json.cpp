#include "launcher/random_model/tokenizer_json.hpp"

#include <array>
#include <nlohmann/json.hpp>

namespace wf {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* space = "\u2581";  // what the Metaspace pre-tokenizer writes for a space

constexpr std::array specials{"<pad>", "</s>", "<s>", "<unk>"};

/// Common words, the most common ones first. Each becomes a piece with a space in front.
constexpr std::array words{
    "a",       "the",      "of",       "and",       "in",        "on",       "with",      "to",      "is",
    "at",      "an",       "by",       "from",      "over",      "under",    "through",   "into",    "near",
    "through", "while",    "as",       "it",        "its",       "his",      "her",       "their",   "person",
    "man",     "woman",    "child",    "boy",       "girl",      "people",   "dog",       "cat",     "bird",
    "horse",   "fish",     "bear",     "elephant",  "panda",     "cow",      "sheep",     "car",     "bus",
    "train",   "boat",     "bicycle",  "truck",     "airplane",  "road",     "street",    "city",    "house",
    "room",    "kitchen",  "window",   "door",      "table",     "chair",    "book",      "cup",     "bottle",
    "flower",  "flowers",  "tree",     "trees",     "forest",    "mountain", "mountains", "river",   "lake",
    "ocean",   "sea",      "beach",    "wave",      "waves",     "sky",      "cloud",     "clouds",  "sun",
    "sunset",  "sunrise",  "moon",     "star",      "stars",     "night",    "day",       "morning", "evening",
    "rain",    "snow",     "wind",     "fire",      "water",     "light",    "shadow",    "field",   "grass",
    "garden",  "park",     "bridge",   "tower",     "castle",    "red",      "green",     "blue",    "yellow",
    "white",   "black",    "orange",   "purple",    "pink",      "brown",    "golden",    "silver",  "bright",
    "dark",    "small",    "large",    "big",       "old",       "young",    "new",       "slow",    "slowly",
    "fast",    "quiet",    "soft",     "warm",      "cold",      "walking",  "running",   "flying",  "swimming",
    "sitting", "standing", "playing",  "eating",    "drinking",  "riding",   "driving",   "dancing", "looking",
    "moving",  "falling",  "rising",   "turning",   "opening",   "camera",   "close",     "view",    "video",
    "film",    "style",    "painting", "cinematic", "realistic", "animated", "macro",     "aerial",  "two",
    "three",   "one",      "many",     "some",      "style,",    "left",     "right",     "up",      "down",
    "across",  "around",   "between",  "behind",    "front",     "top",      "side"};
constexpr std::array endings{"s",  "ed", "ing", "er", "ly", "es", "th", "he",
                             "re", "on", "an",  "in", "st", "en", "al", "or"};

/// Scores of pieces. Unigram picks the split with the largest sum, so a whole word has to beat its characters.
constexpr double best_word = -3.0, worst_word = -8.0, ending = -7.0, character = -9.0;

void add(Json& vocabulary, const std::string& piece, double score) {
  for (const Json& known : vocabulary) {
    if (known[0] == piece) return;
  }
  vocabulary.push_back({piece, score});
}

Json vocabulary() {
  Json pieces = Json::array();
  for (const char* special : specials) add(pieces, special, 0.0);
  add(pieces, space, -4.0);
  for (char c = '!'; c <= '~'; ++c) add(pieces, std::string(1, c), character);
  for (const char* piece : endings) add(pieces, piece, ending);
  for (std::size_t i = 0; i < words.size(); ++i)
    add(pieces, std::string(space) + words[i],
        best_word + (worst_word - best_word) * static_cast<double>(i) / words.size());
  return pieces;
}

Json added_tokens() {
  Json tokens = Json::array();
  for (std::size_t id = 0; id < specials.size(); ++id)
    tokens.push_back({{"id", id},
                      {"content", specials[id]},
                      {"single_word", false},
                      {"lstrip", false},
                      {"rstrip", false},
                      {"normalized", false},
                      {"special", true}});
  return tokens;
}

Json end_of_text() {
  return {{"type", "TemplateProcessing"},
          {"single", Json::array({{{"Sequence", {{"id", "A"}, {"type_id", 0}}}},
                                  {{"SpecialToken", {{"id", "</s>"}, {"type_id", 0}}}}})},
          {"pair",
           Json::array({{{"Sequence", {{"id", "A"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "B"}, {"type_id", 0}}}}})},
          {"special_tokens", {{"</s>", {{"id", "</s>"}, {"ids", {1}}, {"tokens", {"</s>"}}}}}}};
}

}  // namespace

TokenizerJson small_tokenizer() {
  const Json pieces = vocabulary();
  const Json metaspace{{"type", "Metaspace"}, {"replacement", space}, {"prepend_scheme", "always"}, {"split", true}};
  const Json whole{{"version", "1.0"},
                   {"truncation", nullptr},
                   {"padding", nullptr},
                   {"added_tokens", added_tokens()},
                   {"normalizer", nullptr},
                   {"pre_tokenizer", metaspace},
                   {"post_processor", end_of_text()},
                   {"decoder", metaspace},
                   {"model", {{"type", "Unigram"}, {"unk_id", 3}, {"vocab", pieces}, {"byte_fallback", false}}}};
  return {whole.dump(1) + "\n", static_cast<std::int64_t>(pieces.size())};
}

}  // namespace wf
