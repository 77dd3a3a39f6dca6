#include "jobs/mistakes.hpp"

#include <algorithm>
#include <cstdio>
#include <string_view>
#include <tuple>
#include <utility>

#include "cluster/error.hpp"
#include "jobs/utf8.hpp"

namespace wf {
namespace {

std::string_view line_at(Place place) {
  const std::string_view text = place.source->text;
  const std::size_t before = place.offset == 0 ? std::string_view::npos : text.rfind('\n', place.offset - 1);
  const std::size_t begin = before == std::string_view::npos ? 0 : before + 1;
  return text.substr(begin, text.find('\n', place.offset) - begin);
}

/// The bytes of the place's line that stand before it.
std::string_view before(Place place) {
  const std::string_view line = line_at(place);
  const std::size_t line_begin = static_cast<std::size_t>(line.data() - place.source->text.data());
  return line.substr(0, place.offset - line_begin);
}

/// The source line and a caret under the place, both indented by four. A long line is cut to what is around the place.
std::string excerpt(Place place) {
  constexpr std::size_t context = 60, most = 120;
  std::string_view line = line_at(place);
  const std::size_t column = utf8_length(before(place));
  const std::size_t first = utf8_length(line) > most && column > context ? column - context : 0;
  std::string shown = first ? "    ..." : "    ", caret = first ? "       " : "    ";
  for (std::size_t i = 0; !line.empty(); ++i) {
    if (i == first + most) {
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

/// Why nothing can be read from the source; the place of the first offending byte.
std::pair<std::size_t, std::string> unreadable(const std::string& text) {
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

std::size_t line_of(Place place) {
  const auto begin = place.source->text.begin();
  return 1 + static_cast<std::size_t>(std::count(begin, begin + static_cast<std::ptrdiff_t>(place.offset), '\n'));
}

std::string to_string(Place place) {
  return place.source->name + ":" + std::to_string(line_of(place)) + ":" +
         std::to_string(utf8_length(before(place)) + 1);
}

bool Mistakes::Mistake::operator<(const Mistake& other) const {
  return std::tie(place.source->number, place.offset, what) <
         std::tie(other.place.source->number, other.place.offset, other.what);
}

const Source* Mistakes::open(std::string name, std::string_view bytes) {
  const Source& source = sources_.emplace_back(Source{std::move(name), normalised(bytes), sources_.size()});
  auto [offset, why] = unreadable(source.text);
  if (why.empty()) return &source;
  add({&source, offset}, std::move(why));
  return nullptr;
}

void Mistakes::add(Place place, std::string what) {
  Mistake mistake{{place.source, std::min(place.offset, place.source->text.size())}, std::move(what)};
  if (kept_.size() < most_kept)
    kept_.insert(std::move(mistake));
  else if (!kept_.contains(mistake))
    ++more_;
}

void Mistakes::throw_if_any() const {
  if (kept_.empty()) return;
  std::string all;
  std::size_t shown = 0;
  for (const Mistake& mistake : kept_) {
    if (shown == most_shown) break;
    if (shown++) all += "\n";
    all += to_string(mistake.place) + ": " + mistake.what;
    if (!line_at(mistake.place).empty()) all.append("\n").append(excerpt(mistake.place));
  }
  if (count() > shown) all.append("\n... and ").append(std::to_string(count() - shown)).append(" more mistakes");
  throw Error(Error::input, all);
}

}  // namespace wf
