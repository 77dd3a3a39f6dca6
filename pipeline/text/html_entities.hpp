// pipeline/text/html_entities.hpp: replaces HTML character references ("&amp;", "&#39;", "&eacute") by characters.
#pragma once

#include <string>
#include <string_view>

namespace wf {

/// Unescapes by the rules of HTML 5, including malformed references, as Python's html.unescape(): numbers with or
/// without
/// ';', the C1 range as Windows-1252, names by the longest prefix that HTML allows without ';'. One pass: "&amp;lt;"
/// becomes "&lt;".
std::u32string unescape_html(std::u32string_view text);

/// Unescapes only unambiguous references, as ftfy's unescape_html(): names and numbers that end in ';', and names in
/// capitals ("&EACUTE;" is É) if no name of that spelling exists.
std::u32string unescape_certain_html(std::u32string_view text);

/// All named references of HTML 5, sorted by name and separated by spaces: "name;hex", or "name:hex" if the ';' may be
/// omitted; two characters are hex+hex. Source: https://html.spec.whatwg.org/entities.json.
extern const char* const html_entity_table;

}  // namespace wf
