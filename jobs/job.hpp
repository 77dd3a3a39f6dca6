// jobs/job.hpp: one clip as asked for. Plain values; the list's reader has checked them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wf {

/// Guidance scales: v = v_uncond + g (v_cond - v_uncond), `high` where the high-noise expert works, `low` where the
/// low-noise one does.
struct Guidance {
  double high = 4.0;
  double low = 3.0;
  bool operator==(const Guidance&) const = default;
};

enum class SolverKind { unipc, dpmpp };
constexpr std::string_view to_string(SolverKind kind) { return kind == SolverKind::unipc ? "unipc" : "dpm++"; }

/// The negative prompt of the official configuration, used where a list gives none.
extern const std::string default_negative_prompt;

/// Where a list gives no seed.
constexpr std::int64_t default_seed = 42;

struct Job {
  std::string name;    ///< output name without ending, unique in its list, safe as a file name
  int index = 1;       ///< 1-based place of its prompt in the list; the samples of a prompt share it
  std::string prompt;  ///< UTF-8, as written by the user
  std::string negative_prompt = default_negative_prompt;
  std::optional<std::int64_t> seed;  ///< >= 0; empty: `random`, not drawn yet
  int width = 832, height = 480;     ///< pixels, multiples of 16
  int frames = 81;                   ///< 4k+1
  int fps = 16;
  int steps = 40;       ///< >= 1
  double shift = 12.0;  ///< > 0
  Guidance guidance;
  SolverKind solver = SolverKind::unipc;
  int priority = 0;  ///< higher first; never part of the fingerprint
};

}  // namespace wf
