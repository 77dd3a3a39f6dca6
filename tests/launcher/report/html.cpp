#include "tests/launcher/report/html.hpp"

#include <algorithm>
#include <set>
#include <sstream>
#include <stdexcept>

#include "jobs/list/utf8.hpp"

namespace wf::test {
namespace {

const std::set<std::string> without_end{"meta", "link", "input", "img", "br"};
const std::map<std::string, std::string> entities{{"amp", "&"},   {"lt", "<"},  {"gt", ">"},
                                                  {"quot", "\""}, {"#39", "'"}, {"#215", "\u00d7"}};

class Reader {
 public:
  explicit Reader(std::string_view html) : rest_(html) {}

  std::vector<Element> read() {
    expect("<!doctype html>");
    while (!rest_.empty()) {
      if (rest_.starts_with("</"))
        end_tag();
      else if (rest_.starts_with("<"))
        begin_tag();
      else
        add_text(decoded(taken_until("<")));
    }
    if (!open_.empty()) fail("<" + elements_[open_.back()].tag + "> is not closed");
    return std::move(elements_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw std::runtime_error(what + " before: " + std::string(rest_.substr(0, 80)));
  }

  void expect(std::string_view text) {
    if (!rest_.starts_with(text)) fail("no " + std::string(text));
    rest_.remove_prefix(text.size());
  }

  std::string taken_until(std::string_view end) {
    const std::string text(rest_.substr(0, rest_.find(end)));
    rest_.remove_prefix(text.size());
    return text;
  }

  std::string word() {
    const std::size_t size =
        std::ranges::find_if(rest_, [](unsigned char c) { return !std::isalnum(c) && c != '-' && c != '_'; }) -
        rest_.begin();
    if (size == 0) fail("no name");
    const std::string name(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return name;
  }

  std::string decoded(const std::string& text) const {
    std::string result;
    for (std::size_t at = 0; at < text.size(); ++at) {
      if (text[at] == '<') fail("a bare <");
      if (text[at] != '&') {
        result += text[at];
        continue;
      }
      const std::size_t end = text.find(';', at);
      const auto entity = entities.find(text.substr(at + 1, end - at - 1));
      if (end == std::string::npos || entity == entities.end()) fail("a bare & in " + text.substr(at, 20));
      result += entity->second;
      at = end;
    }
    return result;
  }

  void add_text(const std::string& text) {
    if (open_.empty() && text.find_first_not_of("\n ") != std::string::npos) fail("text outside of the page: " + text);
    for (const std::size_t index : open_) elements_[index].text += text;
  }

  void begin_tag() {
    expect("<");
    Element element{word(), {}, "", open_.empty() ? 0 : open_.back()};
    while (rest_.starts_with(" ")) {
      expect(" ");
      attribute(element);
    }
    const bool closed = rest_.starts_with("/");
    if (closed) expect("/");
    expect(">");
    const std::string tag = element.tag;
    elements_.push_back(std::move(element));
    if (closed || without_end.contains(tag)) return;
    open_.push_back(elements_.size() - 1);
    if (tag == "script" || tag == "style") add_text(taken_until("</"));
  }

  void attribute(Element& element) {
    const std::string name = word();
    std::string value;
    if (rest_.starts_with("=")) {
      expect("=\"");
      value = decoded(taken_until("\""));
      expect("\"");
    }
    if (!element.attributes.emplace(name, value).second) fail("attribute " + name + " twice");
  }

  void end_tag() {
    expect("</");
    const std::string tag = word();
    expect(">");
    if (open_.empty() || elements_[open_.back()].tag != tag) fail("</" + tag + "> closes nothing");
    open_.pop_back();
  }

  std::string_view rest_;
  std::vector<Element> elements_;
  std::vector<std::size_t> open_;
};

bool is(const Element& element, const std::string& tag, const std::string& of_class) {
  if (element.tag != tag) return false;
  if (of_class.empty()) return true;
  const auto classes = element.attributes.find("class");
  if (classes == element.attributes.end()) return false;
  std::istringstream words(classes->second);
  for (std::string word; words >> word;)
    if (word == of_class) return true;
  return false;
}

}  // namespace

std::vector<Element> parse_html(std::string_view html) {
  if (!is_utf8(html)) throw std::runtime_error("not UTF-8");
  return Reader(html).read();
}

std::vector<Element> elements(const std::vector<Element>& all, const std::string& tag, const std::string& of_class) {
  std::vector<Element> found;
  for (const Element& element : all)
    if (is(element, tag, of_class)) found.push_back(element);
  return found;
}

Element within(const std::vector<Element>& all, std::size_t index, const std::string& tag,
               const std::string& of_class) {
  for (std::size_t i = index + 1; i < all.size(); ++i) {
    if (!is(all[i], tag, of_class)) continue;
    for (std::size_t around = all[i].parent; around >= index; around = all[around].parent) {
      if (around == index) return all[i];
      if (around == 0) break;
    }
  }
  return {};
}

}  // namespace wf::test
