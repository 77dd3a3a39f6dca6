#include <spdlog/fmt/fmt.h>
#include <torch/version.h>

#include <CLI/Version.hpp>
#include <algorithm>
#include <cstdlib>
#include <nlohmann/detail/abi_macros.hpp>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cluster/gpu.hpp"
#include "launcher/doctor/mpi_version.hpp"
#include "launcher/doctor/own_findings.hpp"
#include "launcher/doctor/system_info.hpp"
#include "launcher/options/version.hpp"
#include "parallel/nccl_communicator.hpp"
#include "pipeline/video/video_writer.hpp"

namespace wf {
namespace {

using Libraries = std::vector<LoadedLibrary>;

/// The loaded library of this name, or of a variant of it: "libhdf5" also finds libhdf5_serial. Null: not loaded.
const LoadedLibrary* find(const Libraries& libraries, const std::string& name) {
  const auto found = std::find_if(libraries.begin(), libraries.end(), [&](const LoadedLibrary& library) {
    return library.name == name || library.name.starts_with(name + "_");
  });
  return found == libraries.end() ? nullptr : &*found;
}

Finding program() { return {Finding::ok, "wanfarm", std::string(version) + ", compiled by " + WF_COMPILER}; }

Finding torch(const Libraries& libraries) {
  const LoadedLibrary* const library = find(libraries, "libtorch_cpu");
  const bool cuda = find(libraries, "libtorch_cuda") != nullptr;
  return {Finding::ok, "LibTorch",
          std::string(TORCH_VERSION) + (cuda ? ", with CUDA" : ", CPU only") +
              (library ? ", " + library->file.parent_path().string() : "")};
}

Finding flash_attention() {
  const char* const set = std::getenv("WANFARM_FA3");
  if (!set || !*set)
    return {Finding::ok, "FlashAttention", "none; it is faster on H100 and H200: ./wanfarm --with-fa3 fetches it"};
  const Path file = std::filesystem::is_directory(set) ? Path(set) / "fa3_fwd/_C.abi3.so" : Path(set);
  const bool there = std::filesystem::exists(file);
  return {there ? Finding::ok : Finding::warn, "FlashAttention",
          file.string() + (there ? "" : ", which WANFARM_FA3 names, is not there")};
}

Finding nccl() {
  const std::string library = nccl_library();
  if (!library.empty()) return {Finding::ok, "NCCL", library.substr(library.find(' ') + 1)};
  return {Finding::warn, "NCCL",
          "not in this build: GPUs cannot share a clip; it is built in where CMake finds nccl.h"};
}

Findings cuda() {
  const CudaView cuda = cuda_view();
  Findings findings{{Finding::ok, "CUDA", "not in this build"}};
  if (!cuda.version.empty())
    findings = {{Finding::ok, "CUDA", cuda.version + ", kernels for sm " + cuda.architectures}, nccl()};
  if (!cuda.version.empty() || std::getenv("WANFARM_FA3")) findings.push_back(flash_attention());
  return findings;
}

/// The files of the libraries that the program is linked with; their names show the versions.
Findings linked(const Libraries& libraries) {
  Findings findings;
  for (const char* name :
       {"libmpi", "libcudart", "libcudnn", "libnccl", "libhdf5", "libyaml-cpp", "libspdlog", "libfmt", "libutf8proc",
        "libcrypto", "libz", "libavformat", "libavcodec", "libswscale", "libavutil"}) {
    if (const LoadedLibrary* const library = find(libraries, name))
      findings.push_back({Finding::ok, "library", library->file.string()});
  }
  findings.push_back({Finding::ok, "headers",
                      fmt::format("CLI11 {}, nlohmann-json {}.{}.{}", CLI11_VERSION, NLOHMANN_JSON_VERSION_MAJOR,
                                  NLOHMANN_JSON_VERSION_MINOR, NLOHMANN_JSON_VERSION_PATCH)});
  return findings;
}

Finding encoder(VideoCodec codec) {
  try {
    check_format({.width = 64, .height = 64, .fps = 16, .codec = codec, .comment = ""});
    return {Finding::ok, "encoder", to_string(codec)};
  } catch (const Error& error) {
    const bool needed = codec == default_codec();
    return {needed ? Finding::missing : Finding::warn, "encoder", std::string(to_string(codec)) + ": " + error.what()};
  }
}

Findings encoders() {
  if (!have_ffmpeg()) return {{Finding::warn, "FFmpeg", "built without it: videos are written as Y4M"}};
  return {encoder(VideoCodec::h264), encoder(VideoCodec::hevc), encoder(VideoCodec::ffv1)};
}

}  // namespace

Findings build_findings() {
  const Libraries libraries = loaded_libraries();
  Findings findings{program(), torch(libraries), mpi_finding(mpi_built_with(), mpi_at_run_time())};
  for (const Findings& more : {cuda(), linked(libraries), encoders()})
    findings.insert(findings.end(), more.begin(), more.end());
  return findings;
}

}  // namespace wf
