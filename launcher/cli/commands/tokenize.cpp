// launcher/cli/commands/tokenize.cpp: wanfarm tokenize: shows a prompt as the text encoder will see it.
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "launcher/cli/commands/commands.hpp"
#include "pipeline/text/clean_text.hpp"
#include "pipeline/text/tokenizer.hpp"

namespace wf {
namespace {

struct TokenizeOptions {
  std::optional<Path> model, tokenizer;
};

Path tokenizer_file(const TokenizeOptions& options) {
  if (options.tokenizer) return *options.tokenizer;
  if (options.model) return *options.model / "google/umt5-xxl/tokenizer.json";
  throw Error(Error::input, "tokenize needs --model FOLDER or --tokenizer FILE");
}

std::string parse_line(const std::string& line, int number) {
  const nlohmann::json text = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!text.is_string())
    throw Error(Error::input, "stdin:" + std::to_string(number) + ": must be one JSON string, such as \"A red kite\"");
  return text.get<std::string>();
}

int tokenize_lines(const TokenizeOptions& options) {
  const Tokenizer tokenizer(tokenizer_file(options));
  std::string line;
  for (int number = 1; std::getline(std::cin, line); ++number) {
    const std::string cleaned = clean_text(parse_line(line, number));
    const nlohmann::ordered_json result{{"cleaned", cleaned}, {"ids", tokenizer.encode(cleaned)}};
    std::cout << result.dump() << '\n';
  }
  return 0;
}

}  // namespace

Command tokenize_command() {
  const auto options = std::make_shared<TokenizeOptions>();
  return {
      .name = "tokenize",
      .summary = "Clean and tokenize JSON strings from stdin, one per line",
      .examples = "  echo '\"A red kite\"' | wanfarm tokenize --model models/shapes\n",
      .flags = {{"--model", "FOLDER", "checkpoint whose google/umt5-xxl/tokenizer.json is used", into(options->model)},
                {"--tokenizer", "FILE", "a tokenizer.json file to use instead", into(options->tokenizer)}},
      .run = [options] { return tokenize_lines(*options); }};
}

}  // namespace wf
