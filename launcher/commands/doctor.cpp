// launcher/commands/doctor.cpp: wanfarm doctor: is this machine ready, and with what was the program built.
#include <torch/version.h>

#include <algorithm>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <memory>

#include "cluster/error.hpp"
#include "cluster/node.hpp"
#include "launcher/commands/commands.hpp"
#include "launcher/front.hpp"
#include "launcher/machine.hpp"
#include "launcher/version.hpp"
#include "parallel/device.hpp"
#include "parallel/world.hpp"
#include "pipeline/video/video_writer.hpp"
#include "pipeline/weights/model_folder.hpp"

namespace wf {
namespace {

struct Finding {
  enum Mark { ok, warn, missing } mark;
  std::string what, words;
};

void print(const Finding& finding) {
  constexpr const char* marks[] = {"ok", "warn", "missing"};
  std::cout << std::left << std::setw(8) << marks[finding.mark] << std::setw(16) << finding.what << finding.words
            << '\n';
}

Finding program() { return {Finding::ok, "wanfarm", std::string(version) + ", compiled by " + WF_COMPILER}; }

Finding processor() {
  const Node node = this_node();
  const std::string features = cpu_features();
  const bool fast = features.find("avx2") != std::string::npos;
  return {fast ? Finding::ok : Finding::warn, "processor",
          std::to_string(node.cores) + " cores of " + cpu_name() +
              (features.empty() ? ", without AVX2: slow" : ", " + features)};
}

Finding memory() {
  const std::uint64_t bytes = this_node().memory_bytes;
  return {bytes >> 30 < 4 ? Finding::warn : Finding::ok, "memory", gibibytes(bytes)};
}

Finding disk() {
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(".", error);
  if (error) return {Finding::missing, "disk", "the current folder cannot be examined: " + error.message()};
  return {space.available < (1ull << 30) ? Finding::warn : Finding::ok, "disk",
          gibibytes(space.available) + " free here"};
}

const LoadedLibrary* find(const std::vector<LoadedLibrary>& libraries, const std::string& prefix) {
  const auto found = std::find_if(libraries.begin(), libraries.end(),
                                  [&](const auto& library) { return library.name.starts_with(prefix); });
  return found == libraries.end() ? nullptr : &*found;
}

Finding torch(const std::vector<LoadedLibrary>& libraries) {
  const LoadedLibrary* const library = find(libraries, "libtorch_cpu");
  const bool cuda = find(libraries, "libtorch_cuda") != nullptr;
  return {Finding::ok, "LibTorch",
          std::string(TORCH_VERSION) + (cuda ? ", with CUDA" : ", CPU only") +
              (library ? ", " + library->file.parent_path().string() : "")};
}

Finding mpi() { return {Finding::ok, "MPI", mpi_library()}; }

/// What --ranks would start: mpirun, or srun within a Slurm job.
Finding starter_of_ranks() {
  try {
    return {Finding::ok, "ranks", "started with " + launch_of(1, {}, environment()).words.front()};
  } catch (const Error& error) {
    return {Finding::warn, "ranks", error.what()};
  }
}

Finding gpu(const Gpu& gpu, const CudaView& cuda) {
  const std::string driver = driver_version();
  const bool old = gpu.capability < std::atoi(cuda.architectures.c_str());  // the first is the least
  return {old ? Finding::warn : Finding::ok, "GPU",
          gpu.name + ", " + gibibytes(gpu.memory_bytes) + ", sm " + std::to_string(gpu.capability) +
              (driver.empty() ? "" : ", driver " + driver) + (old ? "; no kernel was compiled for it" : "")};
}

std::vector<Finding> gpus(const CudaView& cuda) {
  std::vector<Finding> findings;
  for (const Gpu& found : cuda.gpus) findings.push_back(gpu(found, cuda));
  if (!findings.empty()) return findings;
  const std::vector<std::string> seen = gpus_of_driver();
  if (seen.empty()) return {{Finding::ok, "GPU", "none; clips are rendered on the CPU"}};
  const std::string why = cuda.version.empty() ? "this build has no CUDA: ./wanfarm --cuda" : cuda.problem;
  return {{Finding::warn, "GPU", join(seen, ", ") + ", cannot be used: " + why}};
}

Finding cuda_build(const CudaView& cuda) {
  if (cuda.version.empty()) return {Finding::ok, "CUDA", "not in this build"};
  return {Finding::ok, "CUDA", cuda.version + ", kernels for sm " + cuda.architectures};
}

Finding flash_attention() {
  const char* const set = std::getenv("WANFARM_FA3");
  if (!set || !*set)
    return {Finding::ok, "FlashAttention", "none; on H100 and H200 it is faster: ./wanfarm --with-fa3 fetches it"};
  const Path file = std::filesystem::is_directory(set) ? Path(set) / "fa3_fwd/_C.abi3.so" : Path(set);
  const bool there = std::filesystem::exists(file);
  return {there ? Finding::ok : Finding::warn, "FlashAttention",
          file.string() + (there ? "" : ", which WANFARM_FA3 names, is not there")};
}

std::vector<Finding> linked(const std::vector<LoadedLibrary>& libraries) {
  std::vector<Finding> findings;
  for (const char* name : {"libhdf5", "libyaml-cpp", "libspdlog", "libfmt", "libutf8proc", "libcrypto", "libavformat",
                           "libavcodec", "libswscale"}) {
    if (const LoadedLibrary* const library = find(libraries, name))
      findings.push_back({Finding::ok, "library", library->file.string()});
  }
  return findings;
}

Finding encoder(const std::string& codec) {
  try {
    check_format({.width = 64, .height = 64, .fps = 16, .codec = codec, .comment = ""});
    return {Finding::ok, "encoder", codec};
  } catch (const Error& error) {
    const bool needed = codec == default_codec();
    return {needed ? Finding::missing : Finding::warn, "encoder", codec + ": " + error.what()};
  }
}

Finding model(const Path& folder) {
  try {
    return {Finding::ok, "model", folder.string() + ", " + identity(find_model(folder))};
  } catch (const Error& error) {
    return {Finding::missing, "model", error.what()};
  }
}

int doctor(const std::optional<Path>& model_folder) {
  const std::vector<LoadedLibrary> libraries = loaded_libraries();
  const CudaView cuda = cuda_view();
  std::vector<Finding> findings{program(),        processor(), memory(),           disk(),
                                torch(libraries), mpi(),       starter_of_ranks(), cuda_build(cuda)};
  for (Finding& finding : gpus(cuda)) findings.push_back(std::move(finding));
  if (!cuda.version.empty() || std::getenv("WANFARM_FA3")) findings.push_back(flash_attention());
  for (Finding& finding : linked(libraries)) findings.push_back(std::move(finding));
  if (!have_ffmpeg()) findings.push_back({Finding::warn, "FFmpeg", "built without it: videos are written as Y4M"});
  for (const char* codec : {"h264", "hevc", "ffv1"}) {
    if (have_ffmpeg()) findings.push_back(encoder(codec));
  }
  if (model_folder) findings.push_back(model(*model_folder));
  for (const Finding& finding : findings) print(finding);
  const bool ready =
      std::none_of(findings.begin(), findings.end(), [](const Finding& f) { return f.mark == Finding::missing; });
  return ready ? 0 : exit_code(Error::environment);
}

}  // namespace

Command doctor_command() {
  const auto model_folder = std::make_shared<std::optional<Path>>();
  return {.name = "doctor",
          .summary = "Show what this machine and this build have; exit 3 when something needed is missing",
          .examples = "  wanfarm doctor\n  wanfarm doctor --model models/Wan2.2-T2V-A14B\n",
          .flags = {{"--model", "FOLDER", "also look whether this checkpoint is complete", into(*model_folder)}},
          .run = [model_folder] { return doctor(*model_folder); }};
}

}  // namespace wf
