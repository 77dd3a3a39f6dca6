// jobs/job.hpp: one clip as the user asked for it. Plain values, checked by the reader of the list.
#pragma once

#include <array>
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
  int priority = 0;  ///< Clips with higher values are rendered first. Not part of the fingerprint.
};

/// The texts that the job's clip is embedded from: the prompt and, if an expert is guided, the negative prompt.
std::vector<std::string> texts_of(const Job& job);

}  // namespace wf
