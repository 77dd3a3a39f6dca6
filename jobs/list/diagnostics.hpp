// jobs/list/diagnostics.hpp: the texts of a user's files, locations in them, and what is wrong there, reported all at
// once:
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

/// A file's text as the readers get it: UTF-8 without a byte order mark, lines that end in "\n", no control characters
/// but tabs.
struct Source {
  std::string name;  ///< The file's name as the user wrote it.
  std::string text;
  std::size_t number;  ///< Number of sources opened before this one.
};

/// A byte of a source's text.
struct Location {
  const Source* source = nullptr;
  std::size_t offset = 0;  ///< In bytes.
};

/// The location as "prompts.yaml:12:7". Line and column are 1-based; the column counts characters, not bytes.
std::string to_string(Location location);
/// The 1-based line of the location.
std::size_t line_of(Location location);

/// Collects what is wrong with a list and the files that it names. Not thread-safe.
class Diagnostics {
 public:
  /// Keeps a file's text for as long as this object lives, without its byte order mark and with "\r\n" as "\n". Null,
  /// with a diagnostic added, when no reader can use the bytes: they are not UTF-8, hold control characters, or are
  /// what Git LFS left in place of the file.
  const Source* open(std::string name, std::string_view bytes);

  /// Adds a diagnostic. The same text at the same location is kept once; above `max_kept` diagnostics are only counted.
  void add(Location location, std::string what);

  std::size_t count() const noexcept { return kept_.size() + more_; }

  /// Throws Error(input) with all diagnostics, sorted by location, at most `max_shown` of them in full.
  void throw_if_any() const;

  static constexpr std::size_t max_shown = 50;
  static constexpr std::size_t max_kept = 1000;

 private:
  struct Diagnostic {
    Location location;
    std::string what;
    bool operator<(const Diagnostic& other) const;
  };
  std::deque<Source> sources_;  ///< A deque, because locations point to its elements.
  std::set<Diagnostic> kept_;
  std::size_t more_ = 0;  ///< Diagnostics that were counted but not kept.
};

}  // namespace wf
