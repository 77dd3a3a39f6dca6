#include "tests/launcher/run/rank_runs.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <regex>
#include <stdexcept>
#include <thread>

namespace wf {
namespace {

std::string device() {
  const char* const set = std::getenv("WF_TEST_DEVICE");
  return set ? set : "cpu";
}

}  // namespace

Flags render_flags(int ranks, const Flags& more, const Path& model) {
  Flags flags{"render", "list.yaml", "--model", model, "--output", "out", "--threads", "1"};
  flags.insert(flags.end(), {"--device", device(), "--codec", "y4m", "--ranks", std::to_string(ranks)});
  flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

ProgramResult render(const TempFolder& folder, int ranks, const Flags& more) {
  return run(folder.path(), render_flags(ranks, more));
}

std::map<std::string, Json> of_sidecars(const Path& folder, const std::string& key) {
  std::map<std::string, Json> values;
  for (const std::string& file : files_below(folder / "out"))
    if (file.ends_with(".json") && !file.starts_with(".wanfarm"))
      values[file] = Json::parse(read_file(folder / "out" / file)).at(key);
  return values;
}

std::map<std::string, Json> latents_with(const std::string& list, int ranks, const Flags& more) {
  const TempFolder folder;
  write_file(folder / "list.yaml", list);
  const ProgramResult outcome = render(folder, ranks, more);
  if (outcome.code != 0) throw std::runtime_error("wanfarm render failed: " + outcome.err);
  return of_sidecars(folder.path(), "latents_sha256");
}

std::map<int, pid_t> ranks_in(const Path& folder) {
  std::map<int, pid_t> ranks;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    std::error_code error;
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (std::filesystem::read_symlink(entry.path() / "cwd", error) != folder || error) continue;
    std::ifstream file(entry.path() / "environ");
    for (std::string variable; std::getline(file, variable, '\0');)
      if (variable.starts_with("OMPI_COMM_WORLD_RANK=")) ranks[std::stoi(variable.substr(21))] = std::stoi(name);
  }
  return ranks;
}

std::string long_list(int clips, int steps) {
  const int all_steps = device() == "cpu" ? steps : 30 * steps;
  std::string list = "defaults: {size: 128x128, frames: 33, steps: " + std::to_string(all_steps) + "}\nprompts:\n";
  for (int i = 1; i <= clips; ++i)
    list += "  - {prompt: number " + std::to_string(i) + ", name: c" + std::to_string(i) + "}\n";
  return list;
}

bool wait_for_a_step(Program& program, int rank) {
  const std::regex line("rank 00" + std::to_string(rank) + "\\] \\S+ (high|low) [1-9]\\d*/");
  while (program.running()) {
    if (std::regex_search(program.stderr_so_far(), line)) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

std::vector<int> used_gpu_memory() {
  if (device() == "cpu") return {};
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> query(
      ::popen("nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits", "r"), ::pclose);
  std::vector<int> used;
  for (int mib = 0; query && std::fscanf(query.get(), "%d", &mib) == 1;) used.push_back(mib);
  if (used.empty()) throw std::runtime_error("nvidia-smi says nothing about the memory of GPUs");
  return used;
}

}  // namespace wf
