// jobs/mistakes.hpp: the texts of a user's files, places in them, and the mistakes found there, told all at once:
//   prompts.yaml:12:11: frames must be 4k+1, got 80 (nearest: 77, 81)
//       frames: 80
//               ^
#pragma once

#include <cstddef>
#include <deque>
#include <set>
#include <string>
#include <string_view>

namespace wf {

/// A file's text as the readers get it: UTF-8 without BOM, lines ended by "\n", no control characters but tabs.
struct Source {
  std::string name;  ///< as the user wrote it
  std::string text;
  std::size_t number;  ///< counts up in the order of opening
};

/// A byte of a source's text.
struct Place {
  const Source* source = nullptr;
  std::size_t offset = 0;
};

/// "prompts.yaml:12:7"; line and column are 1-based, the column counts characters.
std::string to_string(Place place);
/// 1-based.
std::size_t line_of(Place place);

class Mistakes {
 public:
  /// Keeps a file's text for as long as the Mistakes live. Takes a BOM away, turns "\r\n" into "\n". Empty (and a
  /// mistake noted) when the bytes are not UTF-8 or hold control characters: then nothing can be read from them.
  const Source* open(std::string name, std::string_view bytes);

  /// Notes one mistake; the same words at the same place are noted once. Above `most_kept` they are only counted.
  void add(Place place, std::string what);

  std::size_t count() const noexcept { return kept_.size() + more_; }

  /// Throws Error(input) with all mistakes, sorted by place, at most `most_shown` of them in full.
  void throw_if_any() const;

  static constexpr std::size_t most_shown = 50;
  static constexpr std::size_t most_kept = 1000;

 private:
  struct Mistake {
    Place place;
    std::string what;
    bool operator<(const Mistake& other) const;
  };
  std::deque<Source> sources_;
  std::set<Mistake> kept_;
  std::size_t more_ = 0;
};

}  // namespace wf
