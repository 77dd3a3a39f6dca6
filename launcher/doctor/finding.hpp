// launcher/doctor/finding.hpp: what doctor prints: one finding for each thing it looked at.
#pragma once

#include <string>
#include <vector>

namespace wf {

/// One line of doctor's report. `warn`: wanfarm works, but slower or not in full. `missing`: wanfarm cannot work like
/// this, and doctor exits with 3. The text of a warning or of something missing says what to do about it.
struct Finding {
  enum Mark { ok, warn, missing } mark = ok;
  std::string what;  ///< What was looked at, at most 14 characters: "GPU", "ulimit -l".
  std::string text;  ///< What was found, perhaps in several lines.
  bool operator==(const Finding&) const = default;
};
using Findings = std::vector<Finding>;

/// Prints findings on stdout as they come, and remembers whether something was missing. Not for several threads.
class Diagnosis {
 public:
  void show(const Findings& findings);
  void show(const Finding& finding) { show(Findings{finding}); }
  bool something_missing() const { return something_missing_; }

 private:
  bool something_missing_ = false;
};

}  // namespace wf
