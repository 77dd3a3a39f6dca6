// launcher/cli/commands/inspect.cpp: wanfarm inspect PATH: shows what a model, a tensor file or a video contains.
#include <iomanip>
#include <iostream>
#include <memory>
#include <vector>

#include "base/error.hpp"
#include "base/text.hpp"
#include "launcher/cli/commands/commands.hpp"
#include "launcher/cli/commands/network_text.hpp"
#include "launcher/cli/flags.hpp"
#include "launcher/cli/model_flags.hpp"
#include "launcher/options/model_choice.hpp"
#include "pipeline/video/video_writer.hpp"
#include "pipeline/weights/checkpoint.hpp"
#include "pipeline/weights/lora_index.hpp"
#include "pipeline/weights/model_files.hpp"
#include "pipeline/weights/tensor_file.hpp"

namespace wf {
namespace {

struct Totals {
  std::uint64_t tensors = 0, parameters = 0, bytes = 0;
  bool described = false;
  void add(const TensorEntry& entry) {
    const std::uint64_t size = bytes_of(entry.dtype, entry.shape);
    ++tensors;
    parameters += size / size_of(entry.dtype);
    bytes += size;
    described |= entry.random.has_value();
  }
};

std::ostream& operator<<(std::ostream& out, const Totals& totals) {
  return out << totals.tensors << " tensors, " << totals.parameters << " parameters, " << totals.bytes << " bytes"
             << (totals.described ? ", random, drawn when loaded" : "");
}

std::string shape_text(const TensorEntry& entry) {
  std::string text;
  for (const std::int64_t extent : entry.shape) text += (text.empty() ? "" : ", ") + std::to_string(extent);
  return "[" + text + "]";
}

void print_tensor(const std::string& name, const TensorEntry& entry, Totals& totals) {
  const std::uint64_t before = totals.bytes;
  totals.add(entry);
  std::cout << std::left << std::setw(52) << name << ' ' << std::setw(7) << to_string(entry.dtype) << ' '
            << std::setw(24) << shape_text(entry) << ' ' << std::right << std::setw(12) << totals.bytes - before
            << '\n';
}

/// Says what a LoRA does; of a file for a pair, to each expert.
void print_lora(const Checkpoint& checkpoint) {
  const std::vector<Expert> experts = experts_of_lora(checkpoint.index());
  const LoraIndex first = read_lora_index(checkpoint.index(), experts.front(), checkpoint.path().string());
  if (first.is_of_pair) {
    for (const Expert which : experts)
      std::cout << (which == Expert::high ? "high " : "low  ") << lora_text(checkpoint, which) << '\n';
  } else {
    std::cout << lora_text(checkpoint, Expert::high) << '\n';
  }
  for (const std::string& name : first.unused) std::cout << "not used: " << name << '\n';
}

/// Shows the tensors of a file, or of a folder of shards, and what they are together.
void inspect_checkpoint(const Path& path) {
  const Checkpoint checkpoint(path);
  Totals totals;
  for (const std::string& name : checkpoint.names()) print_tensor(name, checkpoint.entry(name), totals);
  std::cout << totals << '\n';
  if (is_lora(checkpoint)) return print_lora(checkpoint);
  if (const std::optional<Network> network = network_in(checkpoint))
    std::cout << to_string(*network) << ": " << form_text(*network, checkpoint) << '\n';
}

void print_part(const char* part, Network network, const Path& path) {
  const Checkpoint checkpoint(path);
  Totals totals;
  for (const std::string& name : checkpoint.names()) totals.add(checkpoint.entry(name));
  std::cout << std::left << std::setw(13) << part << totals << ", " << form_text(network, checkpoint) << "  ("
            << path.string() << ")\n";
}

void print_expert(const std::string& name, Expert which, const ExpertFiles& files) {
  print_part((name + " expert").c_str(), Network::expert, files.weights);
  for (const LoraFile& lora : files.loras)
    std::cout << std::left << std::setw(13) << name + " +" << lora_text(Checkpoint(lora.file), which) << "; strength "
              << shortest(lora.strength) << "  (" << lora.file.string() << ")\n";
}

void inspect_model(const ModelSource& source) {
  const ModelFiles model = find_model(source);
  print_expert("high", Expert::high, model.high);
  print_expert("low", Expert::low, model.low);
  print_part("text encoder", Network::text_encoder, model.text_encoder);
  print_part("vae", Network::vae, model.vae);
  std::cout << std::left << std::setw(13) << "tokenizer" << model.tokenizer.string() << '\n'
            << std::setw(13) << "model_id" << identity(model) << '\n';
  for (const std::string& doubt : doubts(model)) std::cout << "doubt: " << doubt << '\n';
}

void inspect_video(const Path& file) {
  const std::unique_ptr<VideoReader> video = read_video(file);
  const VideoInfo& info = video->info();
  std::vector<std::uint8_t> frame(static_cast<std::size_t>(info.width) * info.height * 3);
  int frames = 0;
  while (video->next(frame)) ++frames;
  std::cout << info.codec << ", " << info.width << 'x' << info.height << ", " << frames << " frames, " << info.fps
            << " fps\n";
  if (!info.comment.empty()) std::cout << info.comment << '\n';
}

struct InspectOptions {
  Path path;
  ModelSource model;
};

void inspect_path(const Path& path) {
  const std::string ending = path.extension().string();
  if (!std::filesystem::exists(path)) throw Error(Error::input, path.string() + ": does not exist");
  ending == ".mp4" || ending == ".mkv" || ending == ".y4m" ? inspect_video(path) : inspect_checkpoint(path);
}

/// A folder that holds a whole model is --model without the flag.
int inspect(InspectOptions options) {
  const bool by_flags = options.model != ModelSource{};
  if (options.path.empty() && !by_flags) throw Error(Error::input, "PATH is missing, or flags that name a model");
  if (!options.path.empty() && !by_flags && !is_model_folder(options.path)) {
    inspect_path(options.path);
    return 0;
  }
  if (!options.path.empty() && !options.model.from.empty())
    throw Error(Error::input, "the model is named twice: as PATH, and by --model");
  if (!options.path.empty()) options.model.from = options.path;
  inspect_model(chosen_model(options.model, {}));
  return 0;
}

std::vector<Flag> flags_of(InspectOptions& options) {
  std::vector<Flag> flags{{.names = "PATH",
                           .value = "PATH",
                           .help = "a model or checkpoint folder, or a .safetensors, .pth, .random.json, .mp4, .mkv or "
                                   ".y4m file",
                           .set = into(options.path),
                           .optional = true}};
  append(flags, model_flags(options.model));
  for (Flag& flag : flags)
    if (!is_argument(flag)) flag.group = "Model (parts and LoRAs are shown with it)";
  return flags;
}

}  // namespace

Command inspect_command() {
  const auto options = std::make_shared<InspectOptions>();
  return {.name = "inspect",
          .summary = "Show the parts of a model, the tensors of a checkpoint, or the job stored in a video",
          .examples =
              "  wanfarm inspect models/shapes\n"
              "  wanfarm inspect models/shapes/high_noise_model\n"
              "  wanfarm inspect models/shapes --lora night.safetensors=0.8\n"
              "  wanfarm inspect night.safetensors                   what a LoRA changes\n"
              "  wanfarm inspect renders/0001-a-red-kite-s42.mp4\n",
          .flags = flags_of(*options),
          .run = [options] { return inspect(*options); }};
}

}  // namespace wf
