// tests/shapes_check/report.hpp: what was seen beside what was asked for, counted and as a table.
#pragma once

#include <map>
#include <ostream>
#include <string>

#include "cluster/files.hpp"
#include "tests/shapes_check/verdict.hpp"

namespace wf::shapes {

/// JSON lines as `shapes_captions --expect` writes them: to_json()'s objects with "name" beside, other keys are not
/// looked at. Throws input naming file and line.
std::map<std::string, Verdict> read_expected(const Path& file);

struct Marks {
  bool colour = false, background = false, motion = false, figure = false, others = false;

  bool all() const { return colour && background && motion && figure && others; }
};

/// Which parts of a verdict are right. The order of `others` does not matter.
Marks compare(const Verdict& seen, const Verdict& expected);

/// Counts what is right.
class Tally {
 public:
  void add(const Marks& marks);
  int clips() const { return clips_; }
  /// Of all clips that were added, the share with that part right.
  double share(bool Marks::*part) const { return static_cast<double>(count(part)) / clips_; }
  /// A line a part: main colour, background, direction, figure, colours of the others; and clips with all of them.
  void print(std::ostream& out) const;

 private:
  int count(bool Marks::*part) const { return right_.at(part_index(part)); }
  static std::size_t part_index(bool Marks::*part);

  int clips_ = 0, all_right_ = 0;
  std::array<int, 5> right_{};
};

}  // namespace wf::shapes
