// launcher/cli/commands/inspect.cpp: wanfarm inspect PATH: shows what a model, a tensor file or a video contains.
#include <iomanip>
#include <iostream>
#include <memory>

#include "base/error.hpp"
#include "launcher/cli/commands/commands.hpp"
#include "pipeline/video/video_writer.hpp"
#include "pipeline/weights/checkpoint.hpp"
#include "pipeline/weights/model_folder.hpp"
#include "pipeline/weights/tensor_file.hpp"

namespace wf {
namespace {

struct Totals {
  std::uint64_t tensors = 0, parameters = 0, bytes = 0;
  bool described = false;
  void add(const TensorEntry& entry) {
    std::uint64_t elements = 1;
    for (const std::int64_t extent : entry.shape) elements *= static_cast<std::uint64_t>(extent);
    ++tensors;
    parameters += elements;
    bytes += elements * size_of(entry.dtype);
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

void inspect_tensor_file(const Path& file) {
  const MappedFile map(file);
  Totals totals;
  for (const auto& [name, entry] : read_tensor_index(map.bytes(), file.string())) print_tensor(name, entry, totals);
  std::cout << totals << '\n';
}

void inspect_checkpoint(const Path& folder) {
  const Checkpoint checkpoint(folder);
  Totals totals;
  for (const std::string& name : checkpoint.names()) print_tensor(name, checkpoint.entry(name), totals);
  std::cout << totals << '\n';
}

void print_part(const char* part, const Path& path) {
  const Checkpoint checkpoint(path);
  Totals totals;
  for (const std::string& name : checkpoint.names()) totals.add(checkpoint.entry(name));
  std::cout << std::left << std::setw(13) << part << totals << "  (" << path.string() << ")\n";
}

void inspect_model(const Path& folder) {
  const ModelFolder model = find_model(folder);
  print_part("high expert", model.high_expert);
  print_part("low expert", model.low_expert);
  print_part("text encoder", model.text_encoder);
  print_part("vae", model.vae);
  std::cout << std::left << std::setw(13) << "tokenizer" << model.tokenizer.string() << '\n'
            << std::setw(13) << "model_id" << identity(model) << '\n';
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

int inspect(const Path& path) {
  const std::string ending = path.extension().string();
  if (!std::filesystem::exists(path)) throw Error(Error::input, path.string() + ": does not exist");
  if (std::filesystem::is_directory(path / "high_noise_model"))
    inspect_model(path);
  else if (std::filesystem::is_directory(path))
    inspect_checkpoint(path);
  else if (ending == ".mp4" || ending == ".mkv" || ending == ".y4m")
    inspect_video(path);
  else
    inspect_tensor_file(path);
  return 0;
}

}  // namespace

Command inspect_command() {
  const auto path = std::make_shared<Path>();
  return {.name = "inspect",
          .summary = "Show the parts of a model, the tensors of a checkpoint, or the job stored in a video",
          .examples =
              "  wanfarm inspect models/shapes\n"
              "  wanfarm inspect models/shapes/high_noise_model\n"
              "  wanfarm inspect renders/0001-a-red-kite-s42.mp4\n",
          .flags = {{"PATH", "PATH",
                     "a model or checkpoint folder, or a .safetensors, .pth, .random.json, .mp4, .mkv or .y4m file",
                     into(*path)}},
          .run = [path] { return inspect(*path); }};
}

}  // namespace wf
