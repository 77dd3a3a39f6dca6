// launcher/report/text.hpp: numbers and times as the report shows them.
#pragma once

#include <string>

namespace wf {

/// "0.42 s", "12.3 s", "4:12", "1:04:12".
std::string seconds_text(double seconds);
/// Unix time as local time: "2026-11-29 08:33"; "" for 0.
std::string time_text(double time);
/// The name of the local time zone: "UTC".
std::string time_zone();
/// A number for SVG: two decimals at most.
std::string number_text(double value);

}  // namespace wf
