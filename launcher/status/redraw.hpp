// launcher/status/redraw.hpp: a text on stdout that changes.
#pragma once

#include <cstddef>
#include <string>

namespace wf {

/// On a terminal each text takes the place of the one before; else texts follow one another, and one is only printed
/// when its gist has changed.
class Redraw {
 public:
  /// Shows the text. gist: what must change for a text to be worth a reader's time where it cannot replace the old one.
  void show(const std::string& text, const std::string& gist);

 private:
  std::size_t rows_ = 0;  ///< Of the terminal, that the last text took.
  std::string gist_;
};

}  // namespace wf
