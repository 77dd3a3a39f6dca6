// launcher/doctor/finding.hpp: what doctor says: one line for each thing it looked at.
#pragma once

#include <string>
#include <vector>

namespace wf {

/// missing: wanfarm cannot do its work so; warn: it can, but slower, or not all of it. Words of either say what to do.
struct Finding {
  enum Mark { ok, warn, missing } mark = ok;
  std::string what;  ///< up to 14 letters
  std::string words;
  bool operator==(const Finding&) const = default;
};
using Findings = std::vector<Finding>;

/// Shows findings on stdout as they come, and remembers the worst.
class Diagnosis {
 public:
  void show(const Findings& findings);
  void show(const Finding& finding) { show(Findings{finding}); }
  bool something_missing() const { return something_missing_; }

 private:
  bool something_missing_ = false;
};

}  // namespace wf
