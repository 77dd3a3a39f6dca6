#include "jobs/list/name.hpp"

#include <array>
#include <cstdio>
#include <string_view>

#include "base/error.hpp"
#include "base/sha256.hpp"
#include "jobs/list/utf8.hpp"

namespace wf {
namespace {

constexpr std::string_view seed_mark = "{seed}";

/// Removes the next run of ASCII letters and digits from `text` and returns it in lower case, without apostrophes
/// (it's: its).
std::string next_word(std::string_view& text) {
  std::string word;
  for (; !text.empty(); text.remove_prefix(1)) {
    const char c = text[0];
    if (('a' <= c && c <= 'z') || ('0' <= c && c <= '9'))
      word += c;
    else if ('A' <= c && c <= 'Z')
      word += static_cast<char>(c - 'A' + 'a');
    else if (c != '\'' && !word.empty())
      break;
  }
  return word;
}

/// The first words of a prompt, as many as make a recognizable name.
std::string slug(const std::string& prompt) {
  constexpr std::size_t enough = 20, max_size = 40;
  std::string result;
  bool letters = false;
  for (std::string_view rest = prompt; result.size() < enough;) {
    const std::string word = next_word(rest);
    if (word.empty() || (!result.empty() && result.size() + 1 + word.size() > max_size)) break;
    letters = letters || word.find_first_not_of("0123456789") != std::string::npos;
    if (!result.empty()) result += '-';
    result.append(word, 0, max_size);
  }
  return letters ? result : "clip-" + Sha256().update(prompt).hex().substr(0, 6);
}

}  // namespace

std::string default_name(int index, const std::string& prompt, std::optional<std::int64_t> seed) {
  std::array<char, 16> number{};
  std::snprintf(number.data(), number.size(), "%04d", index);
  std::string name = number.data();
  name.append("-").append(slug(prompt)).append("-s");
  return seed ? name + std::to_string(*seed) : name.append(seed_mark);
}

std::string with_seed(std::string name, std::int64_t seed) {
  const std::string digits = std::to_string(seed);
  for (std::size_t at = 0; (at = name.find(seed_mark, at)) != std::string::npos; at += digits.size())
    name.replace(at, seed_mark.size(), digits);
  return name;
}

bool needs_seed(const std::string& name) { return name.find(seed_mark) != std::string::npos; }

void check_name(const std::string& name) {
  constexpr std::size_t max_bytes = 200;  // of the 255 that file systems allow, the rest is for endings and a seed
  const auto refuse = [&](const std::string& what) {
    throw Error(Error::input, "name " + what + ", got " + in_quotes(name));
  };
  if (name.empty()) refuse("must not be empty");
  if (name.size() > max_bytes) refuse("must be at most 200 bytes");
  if (name[0] == '.' || name[0] == '-') refuse(std::string("must not begin with '") + name[0] + "'");
  for (const char c : name) {
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    if (control || std::string_view("/\\:*?\"<>|").find(c) != std::string_view::npos)
      refuse("must be a plain file name, without / \\ : * ? \" < > | or control characters");
  }
  if (name.back() == ' ' || name.back() == '.') refuse("must not end with a blank or a dot");
  for (const std::string folder : {"log", "drafts"})
    if (name == folder) refuse("must not be " + folder + " (a folder of the run is called so)");
  for (const std::string_view ending :
       {".mp4", ".mkv", ".y4m", ".json", ".jsonl", ".h5", ".csv", ".yaml", ".prom", ".html", ".part"})
    if (name.ends_with(ending)) refuse("must have no ending (.mp4 and others are added)");
}

}  // namespace wf
