// base/colours.hpp: whether texts for a terminal may be coloured.
#pragma once

namespace wf {

/// False when NO_COLOR is set to anything but an empty text (no-color.org). What is shown, bar, log or status, asks
/// this besides whether it goes to a terminal.
bool colours_are_welcome();

}  // namespace wf
