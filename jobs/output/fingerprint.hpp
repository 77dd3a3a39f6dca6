// jobs/fingerprint.hpp: what was asked, as one hash. Equal fingerprints: the same clip; not how or where it was
// rendered.
#pragma once

#include <string>

#include "jobs/job.hpp"

namespace wf {

/// Everything but the job that decides on the pixels.
struct Recipe {
  std::string model_id;
  std::string precision;  ///< "reference" or "exact"
  bool tf32 = false;
  std::string noise = "cpu";  ///< whose generator draws it: "cpu", or the name of a GPU
  bool operator==(const Recipe&) const = default;
};

/// SHA-256 (hex) of the canonical JSON of all job values that reach the pixels or the file's timing (not name, index,
/// priority), and the recipe. The job's seed must be drawn.
std::string fingerprint(const Job& job, const Recipe& recipe);

/// SHA-256 (hex) of the same job values without seed and recipe: what a `random` seed belongs to.
std::string seedless_fingerprint(const Job& job);

/// The job as JSON with every value resolved, keys in a fixed order: for fingerprints, sidecars and metadata.
std::string to_json(const Job& job);

}  // namespace wf
