// jobs/job.hpp: one clip as the user asked for it. Plain values, checked by the reader of the list.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wf {

/// Guidance scales g of v = v_uncond + g (v_cond - v_uncond), one for the steps of each expert. An expert without a
/// scale is not guided: its v is v_cond, which takes one forward a step instead of two.
struct Guidance {
  std::optional<double> high = 4.0;
  std::optional<double> low = 3.0;
  bool operator==(const Guidance&) const = default;
  /// Whether any expert is guided. Otherwise nothing reads the negative prompt.
  bool any() const { return high || low; }
};

/// A scale as lists and messages write it: the shortest text that gives it back, or "none".
std::string scale_text(const std::optional<double>& scale);
/// "high 4, low 3", "high 3.5, low none", or "none" for both.
std::string to_string(const Guidance& guidance);

/// The solver of the diffusion ODE; to_string() gives its name in lists and flags.
enum class SolverKind { unipc, dpmpp, euler };
inline constexpr std::array all_solvers{SolverKind::unipc, SolverKind::dpmpp, SolverKind::euler};
constexpr std::string_view to_string(SolverKind kind) {
  constexpr std::array<std::string_view, all_solvers.size()> names{"unipc", "dpm++", "euler"};
  return names[static_cast<std::size_t>(kind)];
}

/// How a step cache decides which forwards to save (jobs/schedule/step_cache.hpp has the rule): E, K and R of MagCache.
struct StepCacheRule {
  double error = 0.06;  ///< E: the accumulated error stays below it
  int most = 2;         ///< K: most forwards saved in a row
  double kept = 0.4;    ///< R: the share of each expert's steps, from its first, in which none is saved
  bool operator==(const StepCacheRule&) const = default;
};

/// Of a model, a schedule and a number of steps: how the mean length of the residual, which is what all blocks together
/// add to a token, changes from the step before, by step and guidance branch. The first ratio is 1.
struct StepCacheTable {
  std::vector<double> conditional, unconditional;
  /// How many of the steps are the high-noise expert's; empty: as many as in a schedule of this length with the solver
  /// and the shift of the clip.
  std::optional<int> high_noise_steps = {};
  bool operator==(const StepCacheTable&) const = default;
};

/// A step cache as asked for. Without a table that of the model is taken.
struct StepCache {
  StepCacheRule rule = {};
  std::string file = {};  ///< absolute path of the file that rule and table come from; empty where there is none
  std::optional<StepCacheTable> table = {};
  bool operator==(const StepCache&) const = default;
};

/// "magcache:0.06,2,0.4", or the path of the file: what lists and flags take.
std::string to_string(const StepCache& cache);

/// The steps that are guided, as asked for: by number, 1 for the first, or by sigma; both ends included.
struct GuidanceInterval {
  double from = 0, to = 0;
  bool by_sigma = false;
  bool operator==(const GuidanceInterval&) const = default;
};

/// "3,30" of steps, "0.3,0.95" of sigmas, which all have a decimal point or an exponent: what lists and flags take.
std::string to_string(const GuidanceInterval& interval);

/// The forwards of a clip that are not computed, by step, 0 for the first, in ascending order. They follow from
/// step cache and guidance interval, and decide on the pixels.
struct SavedForwards {
  std::vector<int> conditional = {};    ///< v_cond is made with the residual of the last forward of this branch
  std::vector<int> unconditional = {};  ///< the same of v_uncond
  std::vector<int> unguided = {};       ///< v is v_cond although the expert is guided
  auto operator<=>(const SavedForwards&) const = default;
  bool any() const { return !conditional.empty() || !unconditional.empty() || !unguided.empty(); }
};

/// The prompt of the official script when it is started without one.
inline constexpr const char* official_prompt =
    "Two anthropomorphic cats in comfy boxing gear and bright gloves fight intensely on a spotlighted stage.";

/// The negative prompt of the official configuration, used where the user gives none.
extern const std::string default_negative_prompt;

/// The seed used where the user gives none.
constexpr std::int64_t default_seed = 42;

struct Job {
  std::string name;    ///< Output name without an ending, unique in its list, safe as a file name.
  int index = 1;       ///< 1-based number of the prompt in its list; the samples of a prompt share it.
  std::string prompt;  ///< UTF-8, as written by the user.
  std::string negative_prompt = default_negative_prompt;
  std::optional<std::int64_t> seed;  ///< >= 0; empty for a random seed that is not drawn yet.
  int width = 832, height = 480;     ///< In pixels, multiples of 16.
  int frames = 81;                   ///< 4k+1.
  int fps = 16;
  int steps = 40;       ///< Denoising steps, >= 1.
  double shift = 12.0;  ///< Shift of the noise schedule, > 0.
  Guidance guidance;
  SolverKind solver = SolverKind::unipc;
  std::optional<StepCache> step_cache = {};
  std::optional<GuidanceInterval> guidance_interval = {};
  SavedForwards saved = {};  ///< what the two above come to with the model; set before the job is planned
  int priority = 0;          ///< Clips with higher values are rendered first. Not part of the fingerprint.
};

/// "28 of 80 forwards", or "" where all are computed. Where one expert alone is guided, how many there would be
/// depends on the schedule as well: "13 forwards".
std::string saved_text(const Job& job);

/// The texts that the job's clip is embedded from: the prompt and, if an expert is guided, the negative prompt.
std::vector<std::string> texts_of(const Job& job);

}  // namespace wf
