// jobs/output/fingerprint.hpp: what was asked for, as one hash. Equal fingerprints mean the same clip, however and
// wherever it was rendered.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "jobs/job.hpp"

namespace wf {

/// Everything besides the job that decides on the pixels.
struct Recipe {
  std::string model_id;
  std::string precision;      ///< "reference", "exact", "fp8-ffn", "fp8-linear" or "fp8".
  bool tf32 = false;          ///< Whether TF32 is allowed in matrix products and convolutions.
  std::string noise = "cpu";  ///< Whose random generator draws the noise: "cpu", or the name of a GPU.
  /// "fp8" where experts are rounded to FP8 that their files hold in more bits (--weights fp8), else empty.
  std::string weights = {};
  std::string attention = {};  ///< "fp8" where self-attention is in 8 bits and the precision does not say so.
  std::optional<std::int64_t> fp8_exact_steps = {};  ///< Of --fp8-exact-steps; empty: the default, or no 8 bits.
  std::string fp8_exact_blocks = {};  ///< "0,1,38-39", "high:0,low:39" (pipeline/exact_blocks.hpp); empty: none.
  bool vae_bf16 = false;              ///< Whether the VAE is in bf16.
  bool operator==(const Recipe&) const = default;
};

/// SHA-256 (hex) of the canonical JSON of the recipe and of all job values that reach the pixels or the file's timing:
/// not name, index and priority. The job's seed must be drawn, otherwise Error(internal).
std::string fingerprint(const Job& job, const Recipe& recipe);

/// SHA-256 (hex) of the same job values without the seed and the recipe: the key under which a drawn seed is kept. What
/// saves forwards stands there as it was asked for, so that the key is known before the model is.
std::string seedless_fingerprint(const Job& job);

/// The names of the values in which two clips differ, by which their fingerprints do: "steps", "tf32"; "model" for its
/// id.
std::vector<std::string> differing_values(const Job& a, const Recipe& recipe_of_a, const Job& b,
                                          const Recipe& recipe_of_b);

/// The job as JSON with every value resolved and keys in a fixed order, for video metadata and dry runs.
std::string to_json(const Job& job);

}  // namespace wf
