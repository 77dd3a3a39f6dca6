// pipeline/weights/dit_config.hpp: config.json of one expert (source: published checkpoints; wan22-t2v).
#pragma once

#include <cstdint>

#include "cluster/files.hpp"

namespace wf {

/// dim, ffn_dim, num_heads and num_layers have to stand in the file; the others have the published values as defaults.
struct DitConfig {
  std::int64_t dim = 0, ffn_dim = 0, num_heads = 0, num_layers = 0;
  std::int64_t freq_dim = 256, in_dim = 16, out_dim = 16, text_len = 512;
  double eps = 1e-6;
};

/// Throws environment naming file and key: not JSON, key missing, not a positive number, dim not divisible by
/// num_heads, odd head size or freq_dim, a model_type other than t2v.
DitConfig read_dit_config(const Path& config_json);

}  // namespace wf
