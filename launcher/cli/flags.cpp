#include "launcher/flags.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <limits>

#include "cluster/error.hpp"
#include "pipeline/video/video_writer.hpp"

namespace wf {

using Setter = std::function<void(const std::string&)>;

Setter into(std::optional<JobSettings::Size>& target) {
  return [&target](const std::string& text) { target = parse_size(text); };
}
Setter into(std::optional<JobSettings::Seed>& target) {
  return [&target](const std::string& text) { target = parse_seed(text); };
}
Setter into(std::optional<Guidance>& target) {
  return [&target](const std::string& text) { target = parse_guidance(text); };
}
Setter into(std::optional<SolverKind>& target) {
  return [&target](const std::string& text) { target = parse_solver(text); };
}
Setter into_frames(std::optional<int>& target) {
  return [&target](const std::string& text) { target = parse_frames(text); };
}
Setter into_count(const std::string& key, std::optional<int>& target, int least) {
  return [&target, key, least](const std::string& text) { target = parse_count(key, text, least); };
}
Setter into_positive(const std::string& key, std::optional<double>& target) {
  return [&target, key](const std::string& text) { target = parse_positive(key, text); };
}

Setter into_bytes(std::uint64_t& target) {
  return [&target](const std::string& text) {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string unit(end, text.data() + text.size());
    const bool binary = unit.empty() || unit == "GiB" || unit == "G", decimal = unit == "GB";
    if (error != std::errc{} || !(number > 0 && number < 1e6) || !(binary || decimal))
      throw Error(Error::input, "a size such as 48GiB or 48GB is needed, got '" + text + "'");
    target = static_cast<std::uint64_t>(number * (binary ? static_cast<double>(1ull << 30) : 1e9));
  };
}

std::vector<Flag> job_flags(JobSettings& s) {
  std::vector<Flag> flags{
      {"--size", "WIDTHxHEIGHT", "of the video in pixels, multiples of 16 (832x480)", into(s.size)},
      {"--frames", "N", "4k+1 frames (81)", into_frames(s.frames)},
      {"--fps", "N", "frames a second (16)", into_count("fps", s.fps, 1)},
      {"--steps", "N", "denoising steps (40)", into_count("steps", s.steps, 1)},
      {"--shift", "X", "of the noise schedule (12)", into_positive("shift", s.shift)},
      {"--guidance", "G|HIGH,LOW", "guidance scale, or one for each expert (4,3)", into(s.guidance)},
      {"--solver", "unipc|dpm++", "(unipc)", into(s.solver), {"unipc", "dpm++"}},
      {"--seed", "N|random", "of the first noise (42)", into(s.seed)},
      {"--samples", "N", "videos of each prompt, with seeds counting up (1)", into_count("samples", s.samples, 1)},
      {"--negative-prompt", "TEXT", "what the video should not be like (the official one)", into(s.negative_prompt)},
      {"--priority", "N", "higher is rendered first (0)",
       into_count("priority", s.priority, std::numeric_limits<int>::min())},
  };
  for (Flag& flag : flags) flag.group = "Clips (win over the list's own values)";
  return flags;
}

std::vector<Flag> placement_flags(RunOptions& o) {
  return {
      choice_flag(
          "--placement", {"auto", "resident", "pipeline", "phased", "swap"},
          "of the two experts: both on each GPU, each on its own GPUs, or in turns with host memory, many clips "
          "or one at a time; auto: what fits and ends first",
          o.placement),
      {"--cfg-parallel", "1|2", "ranks for the two forwards of a step", into(o.degrees.guidance, 1)},
      {"--ulysses", "N", "ranks that share a clip by heads", into(o.degrees.ulysses, 1)},
      {"--ring", "N", "ranks that share a clip by passing keys and values on", into(o.degrees.ring, 1)},
      {"--high-ranks", "N", "of pipeline, for the high-noise expert", into(o.degrees.high_ranks, 1)},
      {"--low-ranks", "N", "of pipeline, for the low-noise expert", into(o.degrees.low_ranks, 1)},
      choice_flag("--text-device", {"auto", "cpu", "cuda"}, "of the text encoder; auto: the GPU if it fits",
                  o.text_device),
      {"--calibration", "FILE", "measured figures to plan with (those of bench calibrate, else built-in ones)",
       into(o.calibration)},
  };
}

PlacementChoices chosen_placement(const RunOptions& options) {
  PlacementChoices choices = options.degrees;
  for (const PlacementMode mode :
       {PlacementMode::resident, PlacementMode::pipeline, PlacementMode::phased, PlacementMode::swap})
    if (options.placement == to_string(mode)) choices.mode = mode;
  if (options.text_device != "auto") choices.text_on_cpu = options.text_device == "cpu";
  return choices;
}

std::vector<Flag> run_flags(RunOptions& o) {
  std::vector<Flag> flags{
      {"--model", "FOLDER",
       "checkpoint in the published layout (the list's, else models/shapes); random:a14b draws one of its size",
       into(o.model)},
      {"--output", "FOLDER", "where the videos go (renders)", into(o.output)},
      choice_flag("--precision", {"reference", "exact", "auto"},
                  "f32, or the official bf16 arithmetic; auto: reference on a CPU", o.precision),
      choice_flag("--device", {"auto", "cpu", "cuda"}, "what computes", o.device),
      choice_flag("--guidance-mode", {"auto", "two", "batched"},
                  "two forwards a step, or one of batch 2; auto: batched where ranks of GPUs share a sequence",
                  o.guidance_mode),
      choice_flag("--attention", {"auto", "fa3", "cudnn", "math"}, "of the experts; auto: the fastest that fits here",
                  o.attention),
      {"--tf32", "", "f32 products and convolutions in TF32, as the official VAE on a GPU: faster, less exact",
       into(o.tf32)},
      {"--gpu-memory", "SIZE", "that may be used, as 48GiB (all of the GPU's)", into_bytes(o.gpu_memory)},
      choice_flag("--noise", {"cpu", "device"},
                  "whose generator draws it: cpu is the same on every machine, device the official draw on such a GPU",
                  o.noise),
      {"--ranks", "N", "processes that render together, one a GPU; started with mpirun, in a Slurm job with srun",
       into(o.ranks, 1)},
      {"--threads", "N", "of the computation; 0: all cores", into(o.threads, 0)},
      {"--save-latents", "", "keep the final latents as NAME.h5", into(o.save_latents)},
      {"--png", "", "keep every frame as a PNG file in NAME/", into(o.png)},
      choice_flag("--codec", {"auto", "h264", "hevc", "ffv1", "y4m"}, "ffv1 is lossless; auto: h264", o.codec),
      {"--crf", "0..51", "quality of h264 and hevc, less is better (10)", into(o.crf, 0)},
      {"--preset", "WORD", "of the encoder: ultrafast ... veryslow (medium)", into(o.preset)},
      {"--trace", "FILE", "what each rank did when, for ui.perfetto.dev (Chrome trace, JSON)", into(o.trace)},
      {"--force", "", "render again what is finished", into(o.force)},
      {"--json", "", "one JSON line a clip on stdout, then a summary", into(o.json)},
      {"--dry-run", "", "show every resolved value, write nothing", into(o.dry_run)},
      {"--quiet", "", "errors only", into(o.quiet)},
      {"-v,--verbose", "", "more lines, as --log-level debug", into(o.verbose)},
      choice_flag("--log-level", {"trace", "debug", "info", "warn", "error", "off"}, "lines on stderr (info)",
                  o.log_level),
  };
  std::vector<Flag> placement = placement_flags(o);
  const auto before_memory = std::ranges::find(flags, "--gpu-memory", &Flag::names);
  flags.insert(before_memory, std::move_iterator(placement.begin()), std::move_iterator(placement.end()));
  return flags;
}

std::string chosen_codec(const RunOptions& options) {
  return options.codec == "auto" ? default_codec() : options.codec;
}

std::string log_level(const RunOptions& options) {
  if (options.quiet) return "error";
  return options.verbose ? "debug" : options.log_level;
}

}  // namespace wf
