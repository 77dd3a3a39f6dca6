// tests/launcher/report/html.hpp: a strict reader of HTML as the report writes it, for tests.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace wf::test {

/// An element with its attributes, and the text in it and in the elements within, entities decoded.
struct Element {
  std::string tag;
  std::map<std::string, std::string> attributes;
  std::string text;
  std::size_t parent = 0;  ///< Index of the element around it; 0 of the outermost one.
};

/// All elements in the order of their begin. Throws std::runtime_error for anything that a browser would have to guess
/// about: a tag that is not closed or closed twice, an attribute without quotes or given twice, a bare & or <, an
/// entity other than the five of XML and numbers, bytes that are not UTF-8. The content of script and style is text.
std::vector<Element> parse_html(std::string_view html);

/// The elements of that tag and, unless it is empty, of that class.
std::vector<Element> elements(const std::vector<Element>& all, const std::string& tag,
                              const std::string& of_class = "");

/// Of an element, the first one within it that has the tag and class; an empty element if there is none.
Element within(const std::vector<Element>& all, std::size_t index, const std::string& tag,
               const std::string& of_class = "");

}  // namespace wf::test
