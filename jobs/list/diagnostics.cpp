#include "jobs/list/diagnostics.hpp"

#include <algorithm>
#include <cstdio>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/error.hpp"
#include "base/lfs_pointer.hpp"
#include "jobs/list/utf8.hpp"

namespace wf {
namespace {

std::string_view line_at(Location location) {
  const std::string_view text = location.source->text;
  const std::size_t before = location.offset == 0 ? std::string_view::npos : text.rfind('\n', location.offset - 1);
  const std::size_t begin = before == std::string_view::npos ? 0 : before + 1;
  return text.substr(begin, text.find('\n', location.offset) - begin);
}

/// The part of the line before the location.
std::string_view before(Location location) {
  const std::string_view line = line_at(location);
  const std::size_t line_begin = static_cast<std::size_t>(line.data() - location.source->text.data());
  return line.substr(0, location.offset - line_begin);
}

/// The source line and, below it, a caret under the location, both indented by four. A long line is cut to the
/// surroundings of the location.
std::string excerpt(Location location) {
  constexpr std::size_t context = 60, max_shown = 120;  // characters
  std::string_view line = line_at(location);
  const std::size_t column = utf8_length(before(location));
  const std::size_t first = utf8_length(line) > max_shown && column > context ? column - context : 0;
  std::string shown = first ? "    ..." : "    ", caret = first ? "       " : "    ";
  for (std::size_t i = 0; !line.empty(); ++i) {
    if (i == first + max_shown) {
      shown += "...";
      break;
    }
    const Printable next = first_printable(line);
    line.remove_prefix(next.bytes);
    if (i < first) continue;
    shown += next.text;
    if (i < column) caret += next.text == "\t" ? "\t" : std::string(next.columns, ' ');
  }
  return shown + "\n" + caret + "^";
}

std::string normalised(std::string_view bytes) {
  constexpr std::string_view bom = "\xef\xbb\xbf";
  const std::size_t begin = bytes.starts_with(bom) ? bom.size() : 0;
  std::string text;
  text.reserve(bytes.size());
  for (std::size_t i = begin; i < bytes.size(); ++i)
    if (bytes[i] != '\r' || i + 1 == bytes.size() || bytes[i + 1] != '\n') text += bytes[i];
  return text;
}

std::string hex(char byte) {
  char text[8];
  std::snprintf(text, sizeof text, "0x%02x", static_cast<unsigned char>(byte));
  return text;
}

/// Whether the text begins as UTF-16 does: with its byte order mark, or with an ASCII character in two bytes.
bool begins_as_utf16(std::string_view text) {
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) return true;
  return text.size() >= 2 && (text[0] == '\0') != (text[1] == '\0');
}

/// The offset of the first byte that no reader can use and what is wrong with it; an empty text when all is well.
std::pair<std::size_t, std::string> first_bad_byte(const std::string& text) {
  if (begins_as_utf16(text))
    return {0, "the file is UTF-16, as Excel's 'Unicode Text' is (save it as UTF-8; in Excel as 'CSV UTF-8')"};
  if (is_lfs_pointer(text)) return {0, std::string("the file is ") + lfs_pointer_advice};
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = utf8_size(std::string_view(text).substr(at));
    if (size == 0) return {at, "the byte " + hex(text[at]) + " is not UTF-8 (save the file as UTF-8)"};
    const char c = text[at];
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n') || c == 0x7F)
      return {at, "the control character " + hex(c) + " cannot stand in a text file (delete it)"};
    at += size;
  }
  return {};
}

}  // namespace

std::size_t line_of(Location location) {
  const auto begin = location.source->text.begin();
  return 1 + static_cast<std::size_t>(std::count(begin, begin + static_cast<std::ptrdiff_t>(location.offset), '\n'));
}

std::string to_string(Location location) {
  return location.source->name + ":" + std::to_string(line_of(location)) + ":" +
         std::to_string(utf8_length(before(location)) + 1);
}

bool Diagnostics::Diagnostic::operator<(const Diagnostic& other) const {
  return std::tie(location.source->number, location.offset, what) <
         std::tie(other.location.source->number, other.location.offset, other.what);
}

const Source* Diagnostics::open(std::string name, std::string_view bytes) {
  const Source& source = sources_.emplace_back(Source{std::move(name), normalised(bytes), sources_.size()});
  auto [offset, why] = first_bad_byte(source.text);
  if (why.empty()) return &source;
  add({&source, offset}, std::move(why));
  return nullptr;
}

void Diagnostics::add(Location location, std::string what) {
  Diagnostic diagnostic{{location.source, std::min(location.offset, location.source->text.size())}, std::move(what)};
  if (kept_.size() < max_kept)
    kept_.insert(std::move(diagnostic));
  else if (!kept_.contains(diagnostic))
    ++more_;
}

void Diagnostics::throw_if_any() const {
  if (kept_.empty()) return;
  std::string all;
  std::size_t shown = 0;
  for (const Diagnostic& diagnostic : kept_) {
    if (shown == max_shown) break;
    if (shown++) all += "\n";
    all += to_string(diagnostic.location) + ": " + diagnostic.what;
    if (!line_at(diagnostic.location).empty()) all.append("\n").append(excerpt(diagnostic.location));
  }
  if (count() > shown) all.append("\n... and ").append(std::to_string(count() - shown)).append(" more mistakes");
  throw Error(Error::input, all);
}

}  // namespace wf
