// pipeline/text/html_entities.hpp: HTML character references ("&amp;", "&#39;", "&eacute") back to characters.
#pragma once

#include <string>
#include <string_view>

namespace wf {

/// By the rules of HTML 5, broken references included (Python's html.unescape): numbers with or without ';', the C1
/// range read as Windows-1252, names by the longest prefix that HTML allows without ';'. One pass: "&amp;lt;" gives
/// "&lt;".
std::u32string unescape_html(std::u32string_view text);

/// Only what cannot be meant otherwise (ftfy's unescape_html): names and numbers that end in ';', and names written in
/// capitals ("&EACUTE;" is É) where no name of that spelling exists.
std::u32string unescape_certain_html(std::u32string_view text);

/// "name;hex" of every named reference of HTML 5, separated by spaces; "name:hex" where the ';' may be left out;
/// two characters as hex+hex. Sorted by name.
extern const char* const html_entity_table;

}  // namespace wf
