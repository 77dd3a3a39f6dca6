// launcher/report/assets.hpp: the files of the report that are written in a browser's languages. CMake makes assets.cpp
// of them.
#pragma once

#include <string_view>

namespace wf {

extern const std::string_view report_html;  ///< report.html: fragments, see markup.hpp.
extern const std::string_view report_css;
extern const std::string_view report_js;

}  // namespace wf
