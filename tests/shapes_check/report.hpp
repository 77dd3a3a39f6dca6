// tests/shapes_check/report.hpp: compares what was seen with what was expected, and counts the results.
#pragma once

#include <array>
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
  bool operator==(const Marks&) const = default;
};

/// A row of the tables: one part of a verdict, or all of them if `part` is null.
struct Row {
  const char* name;
  bool Marks::*part;

  bool is_right(const Marks& marks) const { return part ? marks.*part : marks.all(); }
};
inline constexpr std::array rows{Row{"main colour", &Marks::colour},   Row{"background", &Marks::background},
                                 Row{"direction", &Marks::motion},     Row{"figure", &Marks::figure},
                                 Row{"other colours", &Marks::others}, Row{"all of these", nullptr}};

/// Compares two verdicts. The order of `others` does not matter.
Marks compare(const Verdict& seen, const Verdict& expected);

/// Counts how often each row was right.
class Tally {
 public:
  void add(const Marks& marks);
  int clips() const { return clips_; }
  /// The share of all added clips in which that part was right.
  double share(bool Marks::*part) const { return static_cast<double>(count(part)) / clips_; }
  /// Prints a head line and a line per row: number and share of the clips that are right, and the share's 95 % interval
  /// (interval.hpp). Requires clips() > 0.
  void print(std::ostream& out) const;

 private:
  int count(bool Marks::*part) const;

  int clips_ = 0;
  std::array<int, rows.size()> right_{};
};

}  // namespace wf::shapes
