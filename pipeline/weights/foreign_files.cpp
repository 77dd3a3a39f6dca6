#include "pipeline/weights/foreign_files.hpp"

#include <algorithm>

#include "pipeline/weights/broken_file.hpp"

namespace wf {
namespace {

bool is_text(std::string_view bytes) {
  constexpr std::size_t judged = 8;  // the length at the beginning of safetensors: as text it would be over 2^59 bytes
  const std::string_view start = bytes.substr(0, judged);
  return std::all_of(start.begin(), start.end(),
                     [](char c) { return (c >= ' ' && c <= '~') || c == '\n' || c == '\r' || c == '\t'; });
}

bool is_markup(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  return begin != std::string_view::npos && text[begin] == '<';
}

std::string first_line(std::string_view text) { return printable(text.substr(0, text.find_first_of("\r\n"))); }

}  // namespace

void refuse_foreign_file(std::string_view bytes, const std::string& file) {
  if (bytes.empty()) broken(file, std::string("is empty; ") + fetch_again);
  if (bytes.starts_with("GGUF")) broken(file, std::string("is a GGUF file, which is not read; ") + use_read_form);
  if (!is_text(bytes)) return;
  if (is_markup(bytes))
    broken(file, "is a web page, not a model: the download led to a page, perhaps because it asks to log in");
  broken(file, "is text, not a model; it begins \"" + first_line(bytes) + "\"");
}

void refuse_unfinished_download(const Path& file) {
  for (const char* ending : unfinished_endings)
    if (file.extension() == ending)
      broken(file.string(), std::string("is a download that did not finish, by its ending ") + ending);
  const Path control = file.string() + ".aria2";
  if (std::filesystem::exists(control))
    broken(file.string(), "is a download that did not finish: " + control.filename().string() +
                              " lies beside it; start aria2c again, which completes the file");
}

}  // namespace wf
