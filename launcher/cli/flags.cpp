#include "launcher/cli/flags.hpp"

#include <algorithm>
#include <iterator>
#include <limits>

#include "base/error.hpp"
#include "jobs/list/utf8.hpp"
#include "launcher/cli/model_flags.hpp"
#include "launcher/options/byte_count.hpp"

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
Setter into(std::optional<JobSettings::Cache>& target) {
  return [&target](const std::string& text) { target = parse_step_cache(text); };
}
Setter into(std::optional<JobSettings::Interval>& target) {
  return [&target](const std::string& text) { target = parse_guidance_interval(text); };
}
Setter into_frames(std::optional<int>& target) {
  return [&target](const std::string& text) { target = parse_frames(text); };
}
Setter into_count(const std::string& key, std::optional<int>& target, int least) {
  return [&target, key, least](const std::string& text) { target = parse_count(key, text, least); };
}
Setter into_shift(std::optional<double>& target) {
  return [&target](const std::string& text) { target = parse_shift(text); };
}

Setter into_negative_prompt(std::optional<std::string>& target) {
  return [&target](const std::string& text) { check_prompt("negative_prompt", text), target = text; };
}

Setter into_bytes(std::uint64_t& target) {
  return [&target](const std::string& text) { target = parse_bytes(text); };
}

Setter into_rate(double& target) {
  return [&target](const std::string& text) { target = parse_rate(text); };
}

Setter into_seconds(std::chrono::seconds& target, int least) {
  return [&target, least](const std::string& text) {
    const std::string number = text.ends_with('s') ? text.substr(0, text.size() - 1) : text;
    target = std::chrono::seconds(parse_count("the value", number, least));
  };
}

Setter into(MaxFailures& target) {
  return [&target](const std::string& text) {
    const bool percent = text.ends_with('%');
    const std::string number = text.substr(0, text.size() - (percent ? 1 : 0));
    target = {percent ? parse_not_negative("the share", number) : parse_count("the value", number, 0), percent};
    if (percent && target.number > 100) throw Error(Error::input, "the share must be at most 100%, got " + text);
  };
}

namespace {

/// The names that --preset takes, but for those of the encoder.
std::vector<std::string> preset_names(const PresetTargets& targets) {
  std::vector<std::string> names;
  if (targets.clips) names.emplace_back(to_string(Preset::lightning));
  if (targets.hardware) std::ranges::move(hardware_presets(), std::back_inserter(names));
  return names;
}

[[noreturn]] void refuse_preset(const PresetTargets& targets, const std::string& text) {
  const std::string of_encoder =
      targets.encoder ? "; or, in place of --encoder-preset, " + join(encoder_presets(), ", ") : "";
  throw Error(Error::input,
              "must be one of " + join(preset_names(targets), ", ") + of_encoder + "; got " + in_quotes(text));
}

Setter into_preset(const PresetTargets& targets) {
  return [targets](const std::string& text) {
    const std::optional<HardwarePreset> hardware = hardware_preset(text);
    if (targets.clips && text == to_string(Preset::lightning))
      *targets.clips = Preset::lightning;
    else if (targets.hardware && hardware)
      *targets.hardware = hardware;
    else if (targets.encoder && std::ranges::count(encoder_presets(), text) > 0)
      *targets.encoder = text;
    else
      refuse_preset(targets, text);
  };
}

std::string preset_help(const PresetTargets& targets) {
  std::string help;
  if (targets.clips) help += "lightning: Euler, 4 steps, shift 5, no guidance, for models distilled to four steps. ";
  if (targets.hardware)
    help +=
        "maximum, balanced, constrained: of each GPU at most 80, 40 or 24 GB (--gpu-memory); balanced and constrained "
        "also --tf32 and --precision fp8-linear, or, on GPUs without products of 8-bit numbers such as an A100, "
        "--weights fp8. ";
  help += "Flags for these values win";
  if (targets.clips && targets.hardware) help += "; may be given again, once for each kind";
  return help + (targets.encoder ? " (a name that --encoder-preset takes stands for that flag)" : "");
}

}  // namespace

Flag preset_flag(const PresetTargets& targets) {
  const std::vector<std::string> names = preset_names(targets);
  Flag flag{"--preset", join(names, "|"), preset_help(targets), into_preset(targets), names};
  flag.several = true;
  return flag;
}

std::vector<Flag> job_flags(JobSettings& s, PresetTargets others) {
  others.clips = &s.preset;
  std::vector<Flag> flags{
      {"--size", "WIDTHxHEIGHT", "video size in pixels, multiples of 16 (832x480)", into(s.size)},
      {"--frames", "N", "number of frames, 4k+1 (81)", into_frames(s.frames)},
      {"--fps", "N", "frames per second (16)", into_count("fps", s.fps, 1)},
      {"--steps", "N", "denoising steps (40)", into_count("steps", s.steps, 1)},
      {"--shift", "X", "shift of the noise schedule (12)", into_shift(s.shift)},
      {"--guidance", "G|HIGH,LOW",
       "guidance scale, one for both experts or one each; none: one forward a step, without the negative prompt (4,3)",
       into(s.guidance)},
      {"--guidance-interval",
       "off|FROM,TO",
       "guide these steps alone, both ends included: two whole numbers from 1, or two sigmas, written with a decimal "
       "point; the others take one forward instead of two (off)",
       into(s.guidance_interval),
       {"off"}},
      {"--solver", "unipc|dpm++|euler", "ODE solver (unipc)", into(s.solver), {"unipc", "dpm++", "euler"}},
      preset_flag(others),
      {"--step-cache",
       "off|magcache[:E,K,R]|FILE",
       "save forwards of steps in which what the blocks add changes little: MagCache, with the accumulated error below "
       "E, at most K saved in a row, and none in the first share R of each expert's steps (magcache: 0.06,2,0.4); "
       "FILE: rule and ratios as JSON (off)",
       into(s.step_cache),
       {"off", "magcache"}},
      {"--seed", "N|random", "seed of the initial noise; random, or -1: drawn once and kept (42)", into(s.seed)},
      {"--samples", "N", "videos per prompt, with seeds counting up (1)", into_count("samples", s.samples, 1)},
      {"--negative-prompt", "TEXT", "what the video should not show (default: the official one)",
       into_negative_prompt(s.negative_prompt)},
      {"--priority", "N", "clips of higher priority are rendered first (0)",
       into_count("priority", s.priority, std::numeric_limits<int>::min())},
  };
  for (Flag& flag : flags) flag.group = "Clips (win over the list's own values)";
  return flags;
}

std::vector<Flag> placement_flags(PlanningOptions& planning) {
  PlacementChoices& forced = planning.choices;
  const Choices<std::optional<PlacementMode>> modes{{"auto", {}},
                                                    {"resident", PlacementMode::resident},
                                                    {"pipeline", PlacementMode::pipeline},
                                                    {"phased", PlacementMode::phased},
                                                    {"swap", PlacementMode::swap},
                                                    {"stream", PlacementMode::stream}};
  const Choices<std::optional<bool>> text_devices{{"auto", {}}, {"cpu", true}, {"cuda", false}};
  return {
      choice_flag("--placement", modes,
                  "resident: both experts on every GPU; pipeline: one expert per pool; phased, swap: offload one "
                  "expert, per batch or per clip; stream: swap, with blocks of the expert in host memory; auto: the "
                  "fastest that fits",
                  forced.mode),
      {"--cfg-parallel", "1|2", "guidance (CFG) degree: ranks for the two forwards of a step",
       into(forced.guidance, 1)},
      {"--ulysses", "N", "Ulysses degree: ranks that split the attention heads of one clip", into(forced.ulysses, 1)},
      {"--ring", "N", "ring-attention degree", into(forced.ring, 1)},
      {"--no-split-decode", "",
       "one rank of a group decodes its clips (default: all together, each some rows of every frame)",
       [&forced](const std::string& text) { forced.split_decode = text != "true"; }},
      {"--high-ranks", "N", "ranks in the high-noise pool (--placement pipeline)", into(forced.high_ranks, 1)},
      {"--low-ranks", "N", "ranks in the low-noise pool (--placement pipeline)", into(forced.low_ranks, 1)},
      choice_flag("--text-device", text_devices, "where the text encoder runs; auto: the GPU if it fits",
                  forced.text_on_cpu),
      {"--link-between-nodes", "RATE",
       "what each GPU sends to other nodes, e.g. 12GB/s, as doctor measures it (default: that of the kind of GPU)",
       into_rate(planning.link_between_nodes)},
      {"--calibration", "FILE", "measured figures to plan with (default: those of bench calibrate, else built-in ones)",
       into(planning.calibration)},
  };
}

namespace {

Flag precision_flag(RunOptions& o) {
  const Choices<std::optional<Precision>> precisions{
      {"reference", Precision::reference},   {"exact", Precision::exact}, {"fp8-ffn", Precision::fp8_ffn},
      {"fp8-linear", Precision::fp8_linear}, {"fp8", Precision::fp8},     {"auto", {}}};
  Flag flag = choice_flag(
      "--precision", precisions,
      "reference: f32; exact: the official bf16 arithmetic; fp8-ffn, fp8-linear, fp8: exact, but products of "
      "8-bit numbers in feed-forward networks, in all linear layers, in self-attention too; auto: "
      "reference on a CPU, exact on a GPU",
      o.precision);
  flag.set = [&o, set = flag.set](const std::string& text) { set(text), o.precision_is_auto = !o.precision; };
  return flag;
}

/// How the VAE decodes. Its f32 is the run's: --tf32 in other words.
Flag vae_precision_flag(RunOptions& o) {
  const std::vector<std::string> names{"exact", "tf32", "bf16"};
  const auto set = [&o, names](const std::string& text) {
    check_choice(text, names);
    o.vae_bf16 = text == "bf16";
    if (!o.vae_bf16) o.tf32 = text == "tf32";
  };
  return {"--vae-precision", join(names, "|"),
          "decoding: exact: in f32; tf32: the same as --tf32; bf16: fastest, in least memory; wins over --tf32 (exact)",
          set, names};
}

/// Flags for the device and the arithmetic.
std::vector<Flag> computing_flags(RunOptions& o) {
  const Choices<DeviceChoice> devices{
      {"auto", DeviceChoice::automatic}, {"cpu", DeviceChoice::cpu}, {"cuda", DeviceChoice::cuda}};
  const Choices<WeightForm> forms{{"auto", WeightForm::as_computed}, {"fp8", WeightForm::fp8}};
  const Choices<GuidanceMode> guidance{
      {"auto", GuidanceMode::automatic}, {"two", GuidanceMode::two}, {"batched", GuidanceMode::batched}};
  const Choices<AttentionBackend> backends{{"auto", AttentionBackend::automatic},
                                           {"fa3", AttentionBackend::fa3},
                                           {"fa3-fp8", AttentionBackend::fa3_fp8},
                                           {"cudnn", AttentionBackend::cudnn},
                                           {"math", AttentionBackend::math}};
  const Choices<CudaGraphs> graphs{{"auto", CudaGraphs::automatic}, {"on", CudaGraphs::on}, {"off", CudaGraphs::off}};
  return {
      precision_flag(o),
      {"--fp8-exact-steps", "N",
       "first and last steps of a clip that --precision fp8... computes as exact does (auto: 1 of clips of 10 steps or "
       "more)",
       into_or_auto(o.fp8_exact_steps, 0)},
      {"--fp8-exact-blocks", "LIST",
       "blocks that --precision fp8... computes as exact does in every step: 0,1,38-39, or by expert high:0-1,low:39; "
       "'bench fp8' recommends some (none)",
       [&blocks = o.exact_blocks](const std::string& text) { blocks = parse_exact_blocks(text); }},
      choice_flag(
          "--weights", forms,
          "fp8: keep experts in 8 bits on the device, which halves their memory; auto: in the precision's format",
          o.weights),
      choice_flag("--device", devices, "device to compute on; auto: the GPU if this build can use one", o.device),
      choice_flag("--guidance-mode", guidance,
                  "two forwards a step, or one of batch 2; auto: batched where GPUs share a sequence. A clip that "
                  "saves forwards has two",
                  o.guidance_mode),
      choice_flag("--attention", backends, "attention backend of the experts; auto: the fastest available",
                  o.attention),
      choice_flag("--cuda-graphs", graphs,
                  "record a GPU's forwards once per clip and expert, and replay them: the same bits with fewer gaps; "
                  "auto: on a GPU alone, for clips of up to 10,000 tokens, which gain from it",
                  o.cuda_graphs),
      {"--tf32", "", "f32 products and convolutions in TF32, as the official VAE on a GPU: faster, less exact",
       into(o.tf32)},
      {"--no-tf32", "", "f32 products and convolutions in f32, also where --preset has --tf32 (default)",
       [&o](const std::string& text) { o.tf32 = text != "true"; }},
      vae_precision_flag(o)};
}

/// Flags for the resources that a run may use.
std::vector<Flag> resource_flags(RunOptions& o) {
  const Choices<NoiseSource> sources{{"cpu", NoiseSource::cpu}, {"device", NoiseSource::device}};
  return {
      {"--gpu-memory", "SIZE", "use at most this much of each GPU, e.g. 48GiB (default: all)",
       into_bytes(o.gpu_memory)},
      {"--weights-cache",
       "off|auto|FOLDER",
       "keep each expert as it is computed with (F32 halved, LoRAs merged, or in 8 bits) in this folder, written while "
       "the first run works: later starts read that; auto: in the user's cache ($WANFARM_WEIGHTS_CACHE, or else off)",
       into(o.weights_cache),
       {"off", "auto"}},
      {"--weights-cache-limit", "SIZE", "what that folder may hold; what was used least recently goes first (200GB)",
       into_bytes(o.weights_cache_limit)},
      {"--stage-weights", "FOLDER",
       "copy the model's files to this folder of each node's own disk first, once for all ranks of a node and later "
       "runs; may contain $VARIABLES",
       into(o.stage_weights)},
      choice_flag("--noise", sources,
                  "RNG for the initial noise: cpu (same on every machine) or device (matches the official code on "
                  "that GPU)",
                  o.noise),
      {"--ranks", "N", "processes that render together, one per GPU; started with mpirun, or srun in a Slurm job",
       into(o.ranks, 1)},
      {"--restarts", "N", "with --ranks: start them again when ranks are lost, N times without a finished clip (3)",
       into(o.restarts, 0)},
      {"--heartbeat-timeout", "SECONDS", "a rank that has sent nothing for this long counts as lost (8)",
       into_seconds(o.heartbeat_timeout, 3)},
      {"--stall-timeout", "SECONDS",
       "a rank that answers but makes no progress for this long, and for eight predicted steps, counts as hung (60)",
       into_seconds(o.stall_timeout, 1)},
      {"--checkpoint", "SECONDS",
       "store the states of clips under way this often, so that a kill costs no more work than that; 0: never (120)",
       into_seconds(o.checkpoint, 0)},
      {"--collective-timeout", "SECONDS",
       "how long the ranks of a group wait for one of them, which may still be loading (600)",
       into_seconds(o.collective_timeout, 1)},
      {"--threads", "N", "threads per rank, which on a CPU decide the last bits of a clip; 0: all of its cores (0)",
       into(o.threads, 0)}};
}

Flag encoder_preset_flag(std::string& preset) {
  const auto set = [&preset](const std::string& text) { check_choice(text, encoder_presets()), preset = text; };
  return {"--encoder-preset", "NAME", "preset of h264 and hevc: ultrafast ... veryslow (medium)", set,
          encoder_presets()};
}

std::vector<Flag> output_flags(RunOptions& o) {
  Choices<VideoCodec> codecs{{"auto", default_codec()}};
  for (const VideoCodec codec : all_codecs) codecs.emplace_back(to_string(codec), codec);
  const Choices<LogLevel> levels{{"trace", LogLevel::trace}, {"debug", LogLevel::debug}, {"info", LogLevel::info},
                                 {"warn", LogLevel::warn},   {"error", LogLevel::error}, {"off", LogLevel::off}};
  Choices<ColorMatrix> matrices;
  for (const ColorMatrix matrix : all_color_matrices) matrices.emplace_back(to_string(matrix), matrix);
  const Choices<Verify> checks{{"size", Verify::size}, {"hash", Verify::hash}, {"decode", Verify::decode}};
  return {
      {"--save-latents", "", "also keep the final latents as NAME.h5", into(o.video.save_latents)},
      {"--png", "", "also keep every frame as a PNG file in NAME/", into(o.video.png)},
      choice_flag("--codec", codecs, "video codec; ffv1 is lossless; auto: h264, or y4m without FFmpeg", o.video.codec),
      {"--crf", "0..51", "quality of h264 and hevc, lower is better (10)", into(o.video.crf, 0)},
      encoder_preset_flag(o.video.preset),
      choice_flag("--color", matrices, "YUV matrix that the video is converted with and tagged with (bt709)",
                  o.video.color),
      {"--trace", "FILE", "record what each rank did when (Chrome trace, for ui.perfetto.dev)", into(o.trace)},
      choice_flag(
          "--verify", checks,
          "check of finished clips: size of the file, its hash too, or also that it decodes to all frames (size)",
          o.verify),
      {"--force", "",
       "render finished clips again (also without it: those of other values, or without what --codec, --save-latents "
       "or --png ask for)",
       into(o.force)},
      {"--json", "", "one JSON line per clip on stdout, then a summary", into(o.json)},
      {"--dry-run", "", "show every resolved value, write nothing", into(o.dry_run)},
      {"--quiet", "", "errors only", into(o.quiet)},
      {"-v,--verbose", "", "show a line per rank, and debug messages", into(o.verbose)},
      choice_flag("--log-level", levels, "lowest level shown on stderr (info)", o.log_level)};
}

/// Flags for what becomes of failures, and who is told.
std::vector<Flag> outcome_flags(RunOptions& o) {
  return {
      {"--max-failures", "N|P%", "hold the run (exit code 4) when more clips than this have failed (no limit)",
       into(o.max_failures)},
      {"--keep-going", "",
       "do not hold the run, whatever fails: neither at --max-failures nor when five clips in a row fail with one "
       "kind of error within a minute",
       into(o.keep_going)},
      {"--joblog", "FILE", "append a line for each attempt at a clip, in the columns of GNU parallel", into(o.joblog)},
      {"--on-finish", "COMMAND",
       "run this with sh when the run is over, with WANFARM_EXIT_CODE, _OUTPUT, _DONE, _FAILED and _LEFT set",
       into(o.on_finish)}};
}

}  // namespace

std::vector<Flag> selection_flags(std::string& only, int& limit) {
  return {{"--only", "WHICH", "only these clips of the list, by number, range or name: 1,4-6,rain*", into(only)},
          {"--limit", "N", "only the first N clips", into(limit, 1)}};
}

void append(std::vector<Flag>& flags, std::vector<Flag> more) { std::ranges::move(more, std::back_inserter(flags)); }

std::vector<Flag> only_named(std::vector<Flag> flags, std::span<const char* const> names) {
  std::erase_if(flags, [&](const Flag& flag) { return std::ranges::find(names, flag.names) == names.end(); });
  return flags;
}

std::vector<Flag> run_flags(RunOptions& o) {
  std::vector<Flag> flags{{"--output", "FOLDER", "where the videos go (renders)", into(o.output)}};
  for (const auto& group : {model_flags(o.model), computing_flags(o), placement_flags(o.planning), resource_flags(o),
                            output_flags(o), outcome_flags(o)})
    append(flags, group);
  return flags;
}

}  // namespace wf
