// launcher/cli/commands/tokenize.cpp: wanfarm tokenize: shows a prompt as the text encoder will see it.
#include "pipeline/stages/tokenize.hpp"

#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "launcher/cli/commands/commands.hpp"
#include "pipeline/text/clean_text.hpp"

namespace wf {
namespace {

Tokenizer tokenizer_of(const ModelSource& model) {
  if (!names_model(model))
    throw Error(Error::input, "tokenize needs --model FOLDER, --text-model FILE or --tokenizer FILE");
  ModelFiles files;
  files.text_encoder = model.text;
  files.tokenizer = find_tokenizer(model);
  return read_tokenizer(files);
}

std::string parse_line(const std::string& line, int number) {
  const nlohmann::json text = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!text.is_string())
    throw Error(Error::input, "stdin:" + std::to_string(number) + ": must be one JSON string, such as \"A red kite\"");
  return text.get<std::string>();
}

int tokenize_lines(const ModelSource& model) {
  const Tokenizer tokenizer = tokenizer_of(model);
  std::string line;
  for (int number = 1; std::getline(std::cin, line); ++number) {
    const std::string text = parse_line(line, number);
    const nlohmann::ordered_json result{{"cleaned", clean_text(text)}, {"ids", tokenize(text, tokenizer)}};
    std::cout << result.dump() << '\n';
  }
  return 0;
}

std::vector<Flag> flags_of(ModelSource& model) {
  return {{"--model", "FOLDER", "model whose tokenizer is used", into(model.from)},
          {"--text-model", "FILE", "text encoder whose file holds a tokenizer", into(model.text)},
          {"--tokenizer", "FILE", "tokenizer.json, spiece.model or a folder with one of them", into(model.tokenizer)}};
}

}  // namespace

Command tokenize_command() {
  const auto model = std::make_shared<ModelSource>();
  return {.name = "tokenize",
          .summary = "Clean and tokenize JSON strings from stdin, one per line",
          .examples = "  echo '\"A red kite\"' | wanfarm tokenize --model models/shapes\n",
          .flags = flags_of(*model),
          .run = [model] { return tokenize_lines(*model); }};
}

}  // namespace wf
