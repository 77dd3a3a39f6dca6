// launcher/commands/generate.cpp: wanfarm generate: one clip, with the flags that users of the official script know.
// Each of those flags is honoured, mapped to one of ours, answered by a note when it has no effect here, or refused.
#include <algorithm>
#include <array>
#include <iostream>
#include <memory>
#include <utility>

#include "cluster/error.hpp"
#include "jobs/job_file.hpp"
#include "launcher/commands/commands.hpp"
#include "launcher/flags.hpp"
#include "launcher/front.hpp"
#include "launcher/model_choice.hpp"
#include "launcher/run.hpp"
#include "pipeline/video/video_writer.hpp"

namespace wf {
namespace {

struct GenerateOptions {
  RunOptions run;
  JobSettings job;
  std::optional<std::string> prompt;
  std::optional<Path> save_file;
  std::vector<std::string> notes;  ///< on flags without effect
};

/// The official names of our flags.
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

/// One clip has no siblings.
constexpr std::array left_out{"--samples", "--priority", "--output"};

/// Flags that change nothing here. `words`: what the official script takes, comma-separated; empty: anything.
struct Noted {
  const char *name, *value, *words, *why;
};
constexpr std::array noted{
    Noted{"--t5_fsdp", "", "", "one process holds the whole text encoder"},
    Noted{"--dit_fsdp", "", "", "one process holds the whole model"},
    Noted{"--compile", "", "", "this program is compiled already"},
    Noted{"--compile_mode", "MODE", "default,reduce-overhead,max-autotune", "this program is compiled already"},
    Noted{"--prompt_extend_method", "METHOD", "dashscope,local_qwen", "prompts are never rewritten"},
    Noted{"--prompt_extend_model", "NAME", "", "prompts are never rewritten"},
    Noted{"--prompt_extend_target_lang", "zh|en", "zh,en", "prompts are never rewritten"},
};

struct Refused {
  const char *name, *value, *why;
};
constexpr const char* other_task = "belongs to another task; wanfarm renders text to video (t2v-A14B) only";
constexpr std::array refused{
    Refused{"--use_prompt_extend", "", "wanfarm has no language model to rewrite prompts with; rewrite it beforehand"},
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

/// The words for true and false that the official script takes.
bool is_true(const std::string& text) {
  std::string word = text;
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const char* yes : {"true", "yes", "t", "y", "1"})
    if (word == yes) return true;
  for (const char* no : {"false", "no", "f", "n", "0"})
    if (word == no) return false;
  throw Error(Error::input, "must be True or False, got '" + text + "'");
}

/// Our shared flags, under the official names as well.
std::vector<Flag> shared_flags(GenerateOptions& options) {
  std::vector<Flag> flags = job_flags(options.job);
  for (Flag& flag : flags) flag.group = "Clip";
  flags.front().help = "of the video in pixels, multiples of 16 (1280x720)";
  for (Flag& flag : run_flags(options.run)) flags.push_back(std::move(flag));
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

std::vector<Flag> mapped_flags(GenerateOptions& options) {
  const auto guidance = [&options](const char* mode) {
    return [&options, mode](const std::string&) { options.run.guidance_mode = mode; };
  };
  const auto placement = [&options](const char* word) {
    return [&options, word](const std::string&) { options.run.placement = word; };
  };
  const auto offload = [&options](const std::string& text) {
    options.run.placement = is_true(text) ? "swap" : "resident";
  };
  return {
      {"--convert_model_dtype", "", "as --precision exact",
       [&options](const std::string&) { options.run.precision = "exact"; }},
      {"--use_batched_cfg", "", "as --guidance-mode batched", guidance("batched")},
      {"--no-batched_cfg", "", "as --guidance-mode two", guidance("two")},
      {"--no-tf32", "", "without --tf32", [&options](const std::string&) { options.run.tf32 = false; }},
      {"--offload_model", "True|False", "as --placement swap or resident", offload, {"True", "False"}},
      {"--no-offload", "", "as --placement resident", placement("resident")},
      {"--t5_cpu", "", "as --text-device cpu", [&options](const std::string&) { options.run.text_device = "cpu"; }},
      {"--no-compile", "", "as it is always", [](const std::string&) {}},
      {"--task", "t2v-A14B", "the only one", refuse_other_task, {"t2v-A14B"}},
  };
}

Flag noted_flag(const Noted& note, GenerateOptions& options) {
  const std::string words = note.words;
  const std::vector<std::string> choices = words.empty() ? std::vector<std::string>{} : split_names(words);
  const auto set = [&options, note, choices](const std::string& value) {
    std::string checked;
    if (!choices.empty()) into(checked, choices)(value);
    options.notes.push_back(std::string(note.name) + " has no effect: " + note.why);
  };
  return {note.name, note.value, std::string("no effect: ") + note.why, set, choices};
}

std::vector<Flag> official_flags(GenerateOptions& options) {
  std::vector<Flag> flags = mapped_flags(options);
  for (const Noted& note : noted) flags.push_back(noted_flag(note, options));
  for (Flag& flag : flags) flag.group = "Of the official script";
  for (const Refused& flag : refused) {
    const auto refuse = [flag](const std::string&) { throw Error(Error::input, flag.why); };
    flags.push_back({flag.name, flag.value, "refused", refuse, {}, ""});
  }
  return flags;
}

std::vector<Flag> flags_of(GenerateOptions& options) {
  std::vector<Flag> flags{{"--prompt", "TEXT", "what to render", into(options.prompt)},
                          {"--save_file", "FILE", "the video (a name made of prompt and seed, in the current folder)",
                           into(options.save_file)}};
  for (Flag& flag : shared_flags(options)) flags.push_back(std::move(flag));
  for (Flag& flag : official_flags(options)) flags.push_back(std::move(flag));
  return flags;
}

/// --save_file a/b.mp4: the folder a, the name b. The ending has to be that of the codec.
Path place_output(const std::optional<Path>& save_file, const RunOptions& run, Job& job) {
  if (!save_file) return ".";
  const std::string ending = "." + file_ending(chosen_codec(run));
  if (save_file->extension() != ending || save_file->stem().empty())
    throw Error(Error::input, "--save_file: the name must end in " + ending + " (--codec decides), got '" +
                                  save_file->string() + "'");
  job.name = save_file->stem();
  return save_file->has_parent_path() ? save_file->parent_path() : Path(".");
}

/// What is rendered unless flags say otherwise: of a model that was named the official script's prompt and size; of the
/// one that comes with wanfarm something that it knows, in a size that it knows.
void complete(GenerateOptions& options) {
  const bool named = options.run.model.has_value();
  if (!options.prompt)
    options.prompt = named ? official_prompt : "A large red star moves from left to right over a blue background.";
  JobSettings unless_said;
  unless_said.size = parse_size(named ? "1280x720" : "160x96");
  if (!named) unless_said.frames = 17, unless_said.fps = 8, unless_said.steps = 20;
  options.job = merged(options.job, unless_said);
}

int generate(GenerateOptions& options) {
  if (const auto code = run_as_ranks(options.run.ranks)) return *code;
  if (rank_from(environment()).rank == 0) {
    for (const std::string& note : options.notes) std::cerr << "note: " << note << '\n';
  }
  complete(options);
  const auto read = [&options] {
    Job job = make_job(*options.prompt, options.job);
    const Path output = place_output(options.save_file, options.run, job);
    return RunRequest{.jobs = {job}, .model = chosen_model(options.run.model, {}), .output = output};
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
              "  wanfarm generate --task t2v-A14B --ckpt_dir models/Wan2.2-T2V-A14B --size 1280*720 \\\n"
              "      --sample_steps 40 --base_seed 42 --save_file cats.mp4 --prompt \"Two cats boxing\"\n",
          .flags = flags_of(*options),
          .run = [options] { return generate(*options); }};
}

}  // namespace wf
