#include "launcher/report/markup.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <set>

#include "base/base64.hpp"
#include "base/check.hpp"
#include "base/sha256.hpp"
#include "jobs/list/utf8.hpp"
#include "launcher/report/assets.hpp"

namespace wf {
namespace {

std::string_view text_between(std::string_view text, std::string_view begin, std::string_view end) {
  const std::size_t from = text.find(begin);
  WF_CHECK(from != std::string_view::npos);
  const std::size_t start = from + begin.size(), to = text.find(end, start);
  WF_CHECK(to != std::string_view::npos);
  return text.substr(start, to - start);
}

std::string_view find_fragment(std::string_view name) {
  return text_between(report_html, "<!-- fragment " + std::string(name) + " -->\n", "<!-- end -->");
}

std::string in_html(unsigned char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&#39;";
    default:
      return (c < 0x20 && c != '\t' && c != '\n') || c == 0x7f ? "\xef\xbf\xbd" : std::string(1, static_cast<char>(c));
  }
}

bool needs_no_escape(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-._~/").find(c) != std::string_view::npos;
}

}  // namespace

std::string fill(std::string_view fragment, std::initializer_list<std::pair<std::string_view, std::string>> values) {
  std::string_view rest = find_fragment(fragment);
  std::string result;
  std::set<std::string_view> used;
  for (std::size_t at = rest.find("{{"); at != std::string_view::npos; at = rest.find("{{")) {
    result += rest.substr(0, at);
    const bool raw = rest.substr(at).starts_with("{{{");
    const std::string_view open = raw ? "{{{" : "{{", close = raw ? "}}}" : "}}";
    const std::string_view key = text_between(rest.substr(at), open, close);
    const auto value = std::ranges::find(values, key, [](const auto& entry) { return entry.first; });
    WF_CHECK(value != values.end() && "a key of the fragment has no value");
    used.insert(key);
    result += raw ? value->second : escaped(value->second);
    rest.remove_prefix(at + open.size() + key.size() + close.size());
  }
  WF_CHECK(used.size() == values.size() && "a value has no key in the fragment");
  return result += rest;
}

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : as_utf8(text)) result += in_html(static_cast<unsigned char>(c));
  return result;
}

std::string relative_url(const Path& file, const Path& folder) {
  namespace fs = std::filesystem;
  const Path relative =
      fs::absolute(file).lexically_normal().lexically_relative(fs::absolute(folder).lexically_normal());
  std::string url = relative.string().starts_with("../") ? "" : "./";
  for (const char c : relative.string()) {
    const auto byte = static_cast<unsigned char>(c);
    url += needs_no_escape(byte) ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return url;
}

std::string data_uri(std::string_view picture) {
  const bool png = picture.starts_with("\x89PNG");
  return (png ? "data:image/png;base64," : "data:image/jpeg;base64,") + base64(picture);
}

std::string policy_hash(std::string_view text) {
  const std::string hex = Sha256().update(text).hex();
  std::string digest;
  for (std::size_t i = 0; i < hex.size(); i += 2) digest += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return "'sha256-" + base64(digest) + "'";
}

}  // namespace wf
