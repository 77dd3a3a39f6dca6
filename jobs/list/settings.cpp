#include "jobs/list/settings.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <system_error>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/text.hpp"
#include "jobs/list/utf8.hpp"
#include "jobs/step_cache_file.hpp"

namespace wf {
namespace {

constexpr int max_pixels = 8192, max_frames = 10001;
constexpr std::size_t max_characters = 10'000;

[[noreturn]] void refuse(const std::string& key, const std::string& must_be, const std::string& text,
                         const std::string& advice = "") {
  throw Error(Error::input,
              key + " must be " + must_be + ", got " + text + (advice.empty() ? "" : " (" + advice + ")"));
}

/// The whole text as a decimal number, or nothing. Letters other than an exponent are refused first, because from_chars
/// accepts "inf" and "nan".
template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || digits.find_first_not_of("0123456789.eE+-") != std::string_view::npos) return {};
  if (digits.size() > 1 && digits[0] == '0' && '0' <= digits[1] && digits[1] <= '9')
    return {};  // octal to some YAML readers
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  return value;
}

/// Advice for a number that was written with underscores, a plus or leading zeros: "write 10"; otherwise "".
std::string advice_for(const std::string& text) {
  std::string digits;
  for (const char c : text)
    if (c != '_' && c != '+' && !(c == '0' && digits.empty())) digits += c;
  if (digits == text || digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos) return "";
  return "write " + digits;
}

/// A refused value as messages show it: bare when it is a number, otherwise in quotes.
std::string shown(const std::string& text) { return parse_number<double>(text) ? text : in_quotes(text); }

int max_of(const std::string& key) {
  if (key == "steps") return 1000;
  if (key == "fps") return 240;
  if (key == "samples") return 10'000;
  if (key == "guidance_interval" || key == "K of step_cache") return 1000;  // as many as there are steps at most
  return std::numeric_limits<int>::max();
}

std::string nearest_multiple(int pixels) {
  const int below = std::min(pixels / 16 * 16, max_pixels);
  const int nearest = pixels % 16 < 8 || below == max_pixels ? below : below + 16;
  return std::to_string(std::max(nearest, 16));
}

/// A number from `min` to `max`, or else `must_be` says what it must be.
double parse_within(const std::string& key, const std::string& must_be, const std::string& text, double min,
                    double max) {
  const auto value = parse_number<double>(text);
  if (!value || !(*value >= min && *value <= max)) refuse(key, must_be, shown(text));
  return *value + 0.0;  // turns -0 into 0, so that both give one fingerprint
}

/// What a preset says.
JobSettings values_of(Preset) {
  JobSettings lightning;
  lightning.solver = SolverKind::euler;
  lightning.steps = 4;
  lightning.shift = 5.0;
  lightning.guidance = Guidance{std::nullopt, std::nullopt};
  return lightning;
}

/// The values of `over` where given, else those of `under`, whose preset is not looked into.
JobSettings filled(const JobSettings& over, const JobSettings& under) {
  const auto either = [](const auto& first, const auto& second) { return first ? first : second; };
  return {either(over.size, under.size),
          either(over.frames, under.frames),
          either(over.fps, under.fps),
          either(over.steps, under.steps),
          either(over.samples, under.samples),
          either(over.priority, under.priority),
          either(over.shift, under.shift),
          either(over.guidance, under.guidance),
          either(over.solver, under.solver),
          either(over.preset, under.preset),
          either(over.seed, under.seed),
          either(over.negative_prompt, under.negative_prompt),
          either(over.step_cache, under.step_cache),
          either(over.guidance_interval, under.guidance_interval)};
}

constexpr std::string_view step_cache_forms = "off, magcache, magcache:E,K,R or the path of a JSON file";

/// What stands on either side of the comma, without blanks before the second.
std::pair<std::string, std::string> halves(const std::string& text, std::size_t comma) {
  const std::size_t second = text.find_first_not_of(' ', comma + 1);
  return {text.substr(0, comma), second == std::string::npos ? "" : text.substr(second)};
}

/// One end of a guidance interval. by_sigma: as the interval is read, if either end is written so.
double parse_interval_end(const std::string& text, bool by_sigma) {
  if (!by_sigma) return parse_count("guidance_interval", text, 1);
  if (text.find_first_of(".eE") == std::string::npos)
    refuse("guidance_interval", "two steps, such as 3,30, or two sigmas, such as 0.3,0.9", shown(text),
           "a sigma has a decimal point");
  return parse_within("guidance_interval in sigma", "a number from 0 to 1", text, 0, 1);
}

JobSettings with_preset(const JobSettings& settings) {
  return settings.preset ? filled(settings, values_of(*settings.preset)) : settings;
}

}  // namespace

JobSettings::Size parse_size(const std::string& text) {
  const std::size_t x = text.find_first_of("xX*");
  const auto width = parse_number<int>(std::string_view(text).substr(0, x));
  const auto height = x == std::string::npos ? std::nullopt : parse_number<int>(std::string_view(text).substr(x + 1));
  if (!width || !height || *width < 1 || *height < 1) refuse("size", "WIDTHxHEIGHT, such as 832x480", in_quotes(text));
  if (*width % 16 || *height % 16)
    refuse("size", "multiples of 16", text, "nearest: " + nearest_multiple(*width) + "x" + nearest_multiple(*height));
  if (*width > max_pixels || *height > max_pixels)
    refuse("size", "at most " + std::to_string(max_pixels) + " each way", text);
  return {*width, *height};
}

int parse_frames(const std::string& text) {
  const auto frames = parse_number<int>(text);
  if (!frames) refuse("frames", "a whole number 4k+1, such as 81", shown(text), advice_for(text));
  if (*frames < 1 || *frames > max_frames) refuse("frames", "1 to " + std::to_string(max_frames), text);
  if (*frames % 4 == 1) return *frames;
  const int below = (*frames - 1) / 4 * 4 + 1;
  refuse("frames", "4k+1", text, "nearest: " + std::to_string(below) + ", " + std::to_string(below + 4));
}

JobSettings::Seed parse_seed(const std::string& text) {
  if (text == "random" || text == "-1") return {};
  const auto seed = parse_number<std::int64_t>(text);
  if (!seed || *seed < 0) refuse("seed", "a whole number >= 0, or random (or -1)", shown(text), advice_for(text));
  return {*seed};
}

Guidance parse_guidance(const std::string& text) {
  const std::size_t comma = text.find(',');
  if (comma == std::string::npos) {
    const std::optional<double> both = parse_scale("guidance", text);
    return {both, both};
  }
  const auto [high, low] = halves(text, comma);
  return {parse_scale("guidance high", high), parse_scale("guidance low", low)};
}

/// Scales in use are below 20. With much larger ones the arithmetic overflows, after the clip has been computed.
std::optional<double> parse_scale(const std::string& key, const std::string& text) {
  if (text == "none") return {};
  return parse_within(key, "a number from 0 to 1000, or none", text, 0, 1000);
}

/// Beyond these limits, the noise levels of steps that follow each other are equal in f32.
double parse_shift(const std::string& text) {
  return parse_within("shift", "a number from 0.001 to 1000", text, 0.001, 1000);
}

SolverKind parse_solver(const std::string& text) {
  for (const SolverKind kind : all_solvers)
    if (text == to_string(kind)) return kind;
  refuse("solver", "unipc, dpm++ or euler", in_quotes(text));
}

JobSettings::Cache parse_step_cache(const std::string& text, const Path& folder) {
  constexpr std::string_view with_rule = "magcache:";
  if (text == "off") return {};
  if (text == "magcache") return {StepCache{}};
  if (text.starts_with(with_rule)) return {StepCache{.rule = parse_step_cache_rule(text.substr(with_rule.size()))}};
  const Path file = folder / text;
  const bool is_path = !text.empty() && text.find('\0') == std::string::npos;
  std::error_code error;
  if (!is_path || !std::filesystem::exists(file, error))
    refuse("step_cache", std::string(step_cache_forms), in_quotes(text),
           is_path ? "there is no file " + file.string() : "");
  return {read_step_cache(file)};
}

StepCacheRule parse_step_cache_rule(const std::string& text) {
  const std::vector<std::string> parts = split_at_commas(text);
  if (parts.size() != 3)
    refuse("step_cache", "magcache:E,K,R, such as magcache:0.06,2,0.4", in_quotes("magcache:" + text));
  constexpr double least = std::numeric_limits<double>::denorm_min(), most = std::numeric_limits<double>::max();
  return {.error = parse_within("E of step_cache", "a number above 0", parts[0], least, most),
          .most = parse_count("K of step_cache", parts[1], 1),
          .kept = parse_within("R of step_cache", "a number from 0 to 1", parts[2], 0, 1)};
}

JobSettings::Interval parse_guidance_interval(const std::string& text) {
  if (text == "off") return {};
  const std::size_t comma = text.find(',');
  if (comma == std::string::npos) refuse("guidance_interval", "off or FROM,TO", in_quotes(text));
  const auto [from, to] = halves(text, comma);
  const bool by_sigma = text.find_first_of(".eE") != std::string::npos;
  const GuidanceInterval interval{parse_interval_end(from, by_sigma), parse_interval_end(to, by_sigma), by_sigma};
  if (interval.from > interval.to) refuse("guidance_interval", "FROM,TO with FROM <= TO", text);
  return {interval};
}

Preset parse_preset(const std::string& text) {
  if (text == to_string(Preset::lightning)) return Preset::lightning;
  for (const char* const hardware : {"maximum", "balanced", "constrained"})
    if (text == hardware)
      throw Error(Error::input,
                  "preset must be lightning: " + text + " depends on the machine, and is given by the flag --preset");
  refuse("preset", "lightning", in_quotes(text));
}

int parse_count(const std::string& key, const std::string& text, int min) {
  const auto count = parse_number<int>(text);
  if (!count) refuse(key, "a whole number", shown(text), advice_for(text));
  const int max = max_of(key);
  if (*count >= min && *count <= max) return *count;
  const bool bounded = max != std::numeric_limits<int>::max();
  refuse(key, std::to_string(min) + (bounded ? " to " + std::to_string(max) : " or more"), text);
}

double parse_not_negative(const std::string& key, const std::string& text) {
  return parse_within(key, "a number >= 0", text, 0, std::numeric_limits<double>::max());
}

double parse_strength(const std::string& text) {
  constexpr double most = 100;  // far beyond any use, and small enough that no weight becomes infinite
  const auto value = parse_number<double>(text);
  if (!value || !(std::abs(*value) <= most)) refuse("strength", "a number from -100 to 100", shown(text));
  return *value + 0.0;  // turns -0 into 0
}

void check_prompt(const std::string& key, const std::string& text) {
  if (key == "prompt" && text.find_first_not_of(" \t\r\n") == std::string::npos)
    throw Error(Error::input, "the prompt is empty");
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = utf8_size(std::string_view(text).substr(at));
    if (size == 0) throw Error(Error::input, key + " must be UTF-8");
    const auto c = static_cast<unsigned char>(text[at]);
    if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F)
      throw Error(Error::input, key + " must not hold control characters");
    at += size;
  }
  if (const std::size_t length = utf8_length(text); length > max_characters)
    throw Error(Error::input, key + " must be at most " + std::to_string(max_characters) + " characters, got " +
                                  std::to_string(length));
}

std::span<const Setting> all_settings() {
  using S = JobSettings;
  using T = const std::string;
  constexpr int any = std::numeric_limits<int>::min();
  static const std::vector<Setting> settings{
      {"size", "WIDTHxHEIGHT, such as 832x480", [](S& s, T& text) { s.size = parse_size(text); }},
      {"frames", "a whole number 4k+1, such as 81", [](S& s, T& text) { s.frames = parse_frames(text); }},
      {"fps", "a whole number", [](S& s, T& text) { s.fps = parse_count("fps", text, 1); }},
      {"steps", "a whole number", [](S& s, T& text) { s.steps = parse_count("steps", text, 1); }},
      {"shift", "a number from 0.001 to 1000", [](S& s, T& text) { s.shift = parse_shift(text); }},
      {"guidance", "a number, none or {high: H, low: L}", [](S& s, T& text) { s.guidance = parse_guidance(text); }},
      {"guidance_interval", "off or FROM,TO",
       [](S& s, T& text) { s.guidance_interval = parse_guidance_interval(text); }},
      {"solver", "unipc, dpm++ or euler", [](S& s, T& text) { s.solver = parse_solver(text); }},
      {"preset", "lightning", [](S& s, T& text) { s.preset = parse_preset(text); }},
      {"step_cache", step_cache_forms, [](S& s, T& text) { s.step_cache = parse_step_cache(text); }},
      {"seed", "a whole number >= 0, or random (or -1)", [](S& s, T& text) { s.seed = parse_seed(text); }},
      {"samples", "a whole number", [](S& s, T& text) { s.samples = parse_count("samples", text, 1); }},
      {"priority", "a whole number", [](S& s, T& text) { s.priority = parse_count("priority", text, any); }},
      {"negative_prompt", "a text",
       [](S& s, T& text) { check_prompt("negative_prompt", text), s.negative_prompt = text; }},
  };
  return settings;
}

JobSettings merged(const JobSettings& over, const JobSettings& under) {
  return filled(with_preset(over), with_preset(under));
}

Job apply(const JobSettings& given) {
  const JobSettings settings = with_preset(given);
  const std::optional<StepCache> step_cache = settings.step_cache.value_or(JobSettings::Cache{}).value;
  if (step_cache && settings.preset)
    throw Error(Error::input, "step_cache and preset " + std::string(to_string(*settings.preset)) +
                                  " cannot go together: a model of few steps changes too much in each to save any (say "
                                  "step_cache: off)");
  Job job;
  const JobSettings::Size size = settings.size.value_or(JobSettings::Size{job.width, job.height});
  job.width = size.width;
  job.height = size.height;
  job.frames = settings.frames.value_or(job.frames);
  job.fps = settings.fps.value_or(job.fps);
  job.steps = settings.steps.value_or(job.steps);
  job.shift = settings.shift.value_or(job.shift);
  job.guidance = settings.guidance.value_or(job.guidance);
  job.solver = settings.solver.value_or(job.solver);
  job.seed = settings.seed.value_or(JobSettings::Seed{default_seed}).value;
  job.priority = settings.priority.value_or(job.priority);
  job.negative_prompt = settings.negative_prompt.value_or(job.negative_prompt);
  job.step_cache = step_cache;
  job.guidance_interval = settings.guidance_interval.value_or(JobSettings::Interval{}).value;
  return job;
}

bool overdoes_guidance(const JobSettings& settings) {
  if (settings.preset != Preset::lightning) return false;
  const Guidance guidance = with_preset(settings).guidance.value_or(Guidance{});
  return guidance.high.value_or(0) > 1 || guidance.low.value_or(0) > 1;
}

}  // namespace wf
