// launcher/cli/commands/generate.cpp: the command `wanfarm generate`, which renders one clip and also takes the flags
// of Wan's official script. Each official flag is an alias of one of ours, is mapped to one, has no effect and is
// noted, or is refused.
#include <algorithm>
#include <array>
#include <iostream>
#include <memory>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "cluster/node.hpp"
#include "jobs/list/job_list.hpp"
#include "jobs/list/utf8.hpp"
#include "jobs/output/publish.hpp"
#include "launcher/cli/commands/commands.hpp"
#include "launcher/cli/flags.hpp"
#include "launcher/options/model_choice.hpp"
#include "launcher/run/on_finish.hpp"
#include "launcher/run/run.hpp"
#include "pipeline/video/video_writer.hpp"

namespace wf {
namespace {

struct GenerateOptions {
  RunOptions run;
  JobSettings job;
  std::optional<std::string> prompt;
  std::optional<Path> save_file;
  std::vector<std::string> notes;  ///< Notes on given flags that have no effect.
};

/// Our flags and their official names.
constexpr std::array aliases{
    std::pair{"--model", "--ckpt_dir"},
    std::pair{"--frames", "--frame_num"},
    std::pair{"--seed", "--base_seed"},
    std::pair{"--solver", "--sample_solver"},
    std::pair{"--steps", "--sample_steps"},
    std::pair{"--shift", "--sample_shift"},
    std::pair{"--guidance", "--sample_guide_scale"},
    std::pair{"--ulysses", "--ulysses_size"},
};

/// Flags of render that are left out here, because they only make sense for several clips or name the output folder.
constexpr std::array left_out{"--samples", "--priority", "--output"};

/// An official flag that has no effect here. choices: the values that the official script accepts, separated by commas;
/// empty: any value.
struct Noted {
  const char *name, *value, *choices, *why;
};
constexpr std::array noted{
    Noted{"--t5_fsdp", "", "", "one process holds the whole text encoder"},
    Noted{"--dit_fsdp", "", "", "one process holds the whole model"},
    Noted{"--compile", "", "", "this program is compiled already"},
    Noted{"--prompt_extend_method", "METHOD", "dashscope,local_qwen", "prompts are never rewritten"},
    Noted{"--prompt_extend_model", "NAME", "", "prompts are never rewritten"},
    Noted{"--prompt_extend_target_lang", "zh|en", "zh,en", "prompts are never rewritten"},
};

/// An official flag that wanfarm cannot honour.
struct Refused {
  const char *name, *value, *why;
};
constexpr const char* other_task = "belongs to another task; wanfarm renders text to video (t2v-A14B) only";
constexpr std::array refused{
    Refused{"--use_prompt_extend", "",
            "wanfarm has no language model to rewrite prompts; rewrite the prompt beforehand"},
    Refused{"--image", "FILE", other_task},
    Refused{"--audio", "FILE", other_task},
    Refused{"--src_root_path", "PATH", other_task},
    Refused{"--refert_num", "N", other_task},
    Refused{"--replace_flag", "", other_task},
    Refused{"--use_relighting_lora", "", other_task},
    Refused{"--num_clip", "N", other_task},
    Refused{"--enable_tts", "", other_task},
    Refused{"--tts_prompt_audio", "FILE", other_task},
    Refused{"--tts_prompt_text", "TEXT", other_task},
    Refused{"--tts_text", "TEXT", other_task},
    Refused{"--pose_video", "FILE", other_task},
    Refused{"--start_from_ref", "", other_task},
    Refused{"--infer_frames", "N", other_task},
};

void refuse_other_task(const std::string& task) {
  if (task != "t2v-A14B")
    throw Error(Error::input, "wanfarm renders text to video (t2v-A14B) only, not '" + task + "'");
}

/// Parses the spellings of true and false that the official script accepts; throws Error(input) for any other.
bool is_true(const std::string& text) {
  std::string lower = text;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const char* yes : {"true", "yes", "t", "y", "1"})
    if (lower == yes) return true;
  for (const char* no : {"false", "no", "f", "n", "0"})
    if (lower == no) return false;
  throw Error(Error::input, "must be True or False, got '" + text + "'");
}

/// The flags shared with render, also under their official names.
std::vector<Flag> shared_flags(GenerateOptions& options) {
  std::vector<Flag> flags =
      job_flags(options.job, {.hardware = &options.run.preset, .encoder = &options.run.video.preset});
  for (Flag& flag : flags) flag.group = "Clip";
  flags.front().help = "video size in pixels, multiples of 16 (1280x720)";
  append(flags, run_flags(options.run));
  std::erase_if(flags, [](const Flag& flag) {
    return std::find(left_out.begin(), left_out.end(), flag.names) != left_out.end();
  });
  for (const auto& [ours, official] : aliases) {
    const auto flag =
        std::find_if(flags.begin(), flags.end(), [ours = ours](const Flag& f) { return f.names == ours; });
    flag->names += std::string(",") + official;
  }
  return flags;
}

/// Official flags that set one of our options under another name.
std::vector<Flag> mapped_flags(GenerateOptions& options) {
  RunOptions& run = options.run;
  const auto guidance = [&run](GuidanceMode mode) {
    return [&run, mode](const std::string&) { run.guidance_mode = mode; };
  };
  const auto resident = [&run](const std::string&) { run.planning.choices.mode = PlacementMode::resident; };
  const auto offload = [&run](const std::string& text) {
    run.planning.choices.mode = is_true(text) ? PlacementMode::swap : PlacementMode::resident;
  };
  const std::vector<std::string> compile_modes{"default", "reduce-overhead", "max-autotune"};
  const auto compile_mode = [&run, compile_modes](const std::string& text) {
    check_choice(text, compile_modes);
    if (text == "reduce-overhead") run.cuda_graphs = CudaGraphs::on;
  };
  return {
      {"--compile_mode", "MODE",
       "reduce-overhead is the same as --cuda-graphs on; the others have no effect, this program is compiled already",
       compile_mode, compile_modes},
      {"--convert_model_dtype", "", "same as --precision exact",
       [&run](const std::string&) { run.precision = Precision::exact; }},
      {"--use_batched_cfg", "", "same as --guidance-mode batched", guidance(GuidanceMode::batched)},
      {"--no-batched_cfg", "", "same as --guidance-mode two", guidance(GuidanceMode::two)},
      {"--offload_model", "True|False", "same as --placement swap or resident", offload, {"True", "False"}},
      {"--no-offload", "", "same as --placement resident", resident},
      {"--t5_cpu", "", "same as --text-device cpu",
       [&run](const std::string&) { run.planning.choices.text_on_cpu = true; }},
      {"--no-compile", "", "accepted, no effect", [](const std::string&) {}},
      {"--task", "t2v-A14B", "must be t2v-A14B, the only task", refuse_other_task, {"t2v-A14B"}},
  };
}

Flag noted_flag(const Noted& note, GenerateOptions& options) {
  const std::string listed = note.choices;
  const std::vector<std::string> choices = listed.empty() ? std::vector<std::string>{} : split_at_commas(listed);
  const auto set = [&options, note, choices](const std::string& value) {
    if (!choices.empty()) check_choice(value, choices);
    options.notes.push_back(std::string(note.name) + " has no effect: " + note.why);
  };
  return {note.name, note.value, std::string("no effect: ") + note.why, set, choices};
}

std::vector<Flag> official_flags(GenerateOptions& options) {
  std::vector<Flag> flags = mapped_flags(options);
  for (const Noted& note : noted) flags.push_back(noted_flag(note, options));
  for (Flag& flag : flags) flag.group = "Flags of the official script";
  for (const Refused& flag : refused) {
    const auto refuse = [flag](const std::string&) { throw Error(Error::input, flag.why); };
    flags.push_back({flag.name, flag.value, "refused", refuse, {}, ""});
  }
  return flags;
}

std::vector<Flag> flags_of(GenerateOptions& options) {
  std::vector<Flag> flags{
      {"--prompt", "TEXT", "what the video should show", into(options.prompt)},
      {"--save_file", "FILE", "the video file (default: named after prompt and seed, in the current folder)",
       into(options.save_file)}};
  append(flags, shared_flags(options));
  append(flags, official_flags(options));
  return flags;
}

/// Sets the job's name and returns the output folder: --save_file a/b.mp4 gives name b, folder a. Throws Error(input)
/// unless the extension is the codec's and the name is UTF-8.
Path place_output(const std::optional<Path>& save_file, const RunOptions& run, Job& job) {
  if (!save_file) return ".";
  const std::string ending = "." + file_ending(run.video.codec);
  if (save_file->extension() != ending || save_file->stem().empty())
    throw Error(Error::input, "--save_file: the file name must end in " + ending + " (--codec decides), got '" +
                                  save_file->string() + "'");
  job.name = save_file->stem();
  if (!is_utf8(job.name))
    throw Error(Error::input,
                "--save_file: the file's name is also the clip's, in its sidecar, and must be UTF-8, got " +
                    in_quotes(save_file->filename().string()) + " (its folder may have any name)");
  return save_file->has_parent_path() ? save_file->parent_path() : Path(".");
}

/// Fills in what no flag set: for a given model, the official script's prompt and size; for the model that ships with
/// wanfarm, a prompt, size and length that it was trained on.
void complete(GenerateOptions& options) {
  const bool named = names_model(options.run.model);
  if (!options.prompt)
    options.prompt = named ? official_prompt : "A large red star moves from left to right over a blue background.";
  JobSettings defaults;
  defaults.size = parse_size(named ? "1280x720" : "160x96");
  if (!named) defaults.frames = 17, defaults.fps = 8, defaults.steps = 20;
  options.job = merged(options.job, defaults);
}

int generate(GenerateOptions& options) {
  const auto output_folder = [&options] {
    Job job;
    return place_output(options.save_file, options.run, job);
  };
  if (const auto code = run_as_front_end(options.run, output_folder)) return *code;  // --ranks: others have done it all
  if (rank_from(environment()).rank == 0) {
    for (const std::string& note : options.notes) std::cerr << "note: " << note << '\n';
  }
  complete(options);
  options.run.names_are_given = options.save_file.has_value();
  options.run.request = {{"--prompt", *options.prompt},
                         {"--save_file", options.save_file ? options.save_file->string() : ""},
                         {"flags of clips", to_json(apply(options.job))}};
  const auto read = [&options] {
    Job job = make_job(*options.prompt, options.job);
    const Path output = place_output(options.save_file, options.run, job);
    if (overdoes_guidance(options.job)) spdlog::warn("{}", overdone_guidance);
    std::vector<Job> jobs{job};
    take_known_seeds(output, jobs);
    return RunRequest{.jobs = std::move(jobs), .model = chosen_model(options.run.model, {}), .output = output};
  };
  return run(read, options.run);
}

}  // namespace

Command generate_command() {
  const auto options = std::make_shared<GenerateOptions>();
  return {.name = "generate",
          .summary = "Render one prompt, with the flags of the official script",
          .examples =
              "  wanfarm generate --prompt \"A red kite over a green field\" --size 832x480 --seed 7\n"
              "  wanfarm generate --preset constrained --prompt \"A red kite over a green field\"\n"
              "  wanfarm generate --task t2v-A14B --ckpt_dir models/Wan2.2-T2V-A14B --size 1280*720 \\\n"
              "      --sample_steps 40 --base_seed 42 --save_file cats.mp4 --prompt \"Two cats boxing\"\n",
          .flags = flags_of(*options),
          .run = [options] { return generate(*options); }};
}

}  // namespace wf
