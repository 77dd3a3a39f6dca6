// tests/shapes_check/report.hpp: compares what was seen with what was expected, and counts the results.
#pragma once

#include <map>
#include <ostream>
#include <string>

#include "base/files.hpp"
#include "tests/shapes_check/verdict.hpp"

namespace wf::shapes {

/// Reads the JSON lines that `shapes_captions --expect` writes: objects as to_json() makes them, plus "name"; other
/// keys are ignored. Throws Error(input) that names the file and line.
std::map<std::string, Verdict> read_expected(const Path& file);

/// Which parts of a verdict are right.
struct Marks {
  bool colour = false, background = false, motion = false, figure = false, others = false;

  bool all() const { return colour && background && motion && figure && others; }
};

/// Compares two verdicts. The order of `others` does not matter.
Marks compare(const Verdict& seen, const Verdict& expected);

/// Counts how often each part was right.
class Tally {
 public:
  void add(const Marks& marks);
  int clips() const { return clips_; }
  /// The share of all added clips in which that part was right.
  double share(bool Marks::*part) const { return static_cast<double>(count(part)) / clips_; }
  /// Prints a line per part (main colour, background, direction, figure, other colours) and one for all of them.
  void print(std::ostream& out) const;

 private:
  int count(bool Marks::*part) const { return right_.at(part_index(part)); }
  static std::size_t part_index(bool Marks::*part);

  int clips_ = 0, all_right_ = 0;
  std::array<int, 5> right_{};
};

}  // namespace wf::shapes
