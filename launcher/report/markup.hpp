// launcher/report/markup.hpp: pieces of a page: fragments of report.html with values filled in, and texts as HTML, URLs
// and data URIs.
//
// A fragment stands in report.html between <!-- fragment NAME --> and <!-- end -->. {{key}} in it becomes the value of
// `key`, escaped, so that whatever a user wrote is text and never markup; {{{key}}} takes it as it is and is for markup
// that the report has made itself.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "base/files.hpp"

namespace wf {

/// Fills a fragment. Every key of the fragment has a value and every value a key, else it is a bug (WF_CHECK).
std::string fill(std::string_view fragment, std::initializer_list<std::pair<std::string_view, std::string>> values);

/// A text as HTML, valid as the content of an element and within quotes. Bytes that are not UTF-8 and control
/// characters other than tabs and newlines are replaced by U+FFFD.
std::string escaped(std::string_view text);

/// The URL of a file relative to a folder: "./a%20clip.mp4", "../renders/a.mp4". It never names a scheme or a host.
std::string relative_url(const Path& file, const Path& folder);

/// A PNG or JPEG file as a data URI.
std::string data_uri(std::string_view picture);
/// The SHA-256 of a text as a source of a Content-Security-Policy: "'sha256-...'".
std::string policy_hash(std::string_view text);

}  // namespace wf
