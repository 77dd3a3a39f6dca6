#include "tests/launcher/program.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

namespace wf {
namespace {

/// Turns the child process into the program.
[[noreturn]] void become(const Path& folder, const TempFolder& streams, std::vector<char*> arguments,
                         const Surroundings& surroundings) {
  const int in = ::open((streams / "in").c_str(), O_RDONLY);
  const int out = ::open((streams / "out").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const int err = ::open((streams / "err").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (::dup2(in, 0) < 0 || ::dup2(out, 1) < 0 || ::dup2(err, 2) < 0 || ::chdir(folder.c_str()) != 0) ::_exit(99);
  for (const std::string& variable : surroundings.environment) ::putenv(const_cast<char*>(variable.c_str()));
  if (surroundings.largest_file > 0) {
    const rlimit limit{surroundings.largest_file, surroundings.largest_file};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(99);
  }
  ::execv(WF_PROGRAM, arguments.data());
  ::_exit(99);
}

std::string so_far(const Path& file) { return std::filesystem::exists(file) ? read_file(file) : ""; }

}  // namespace

Program::Program(const Path& folder, const std::vector<std::string>& arguments, const Surroundings& surroundings) {
  write_file(streams_ / "in", surroundings.input);
  std::vector<std::string> command{WF_PROGRAM};
  command.insert(command.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& argument : command) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  process_ = ::fork();
  if (process_ < 0) throw std::runtime_error("fork failed");
  if (process_ == 0) become(folder, streams_, pointers, surroundings);
}

Program::~Program() {
  if (process_ < 0) return;
  ::kill(process_, SIGKILL);
  ::waitpid(process_, &status_, 0);
}

void Program::signal(int number) const {
  if (process_ > 0) ::kill(process_, number);
}

bool Program::running() {
  if (process_ > 0 && ::waitpid(process_, &status_, WNOHANG) == process_) process_ = -1;
  return process_ > 0;
}

std::string Program::stdout_so_far() const { return so_far(streams_ / "out"); }
std::string Program::stderr_so_far() const { return so_far(streams_ / "err"); }

ProgramResult Program::wait() {
  if (process_ > 0) ::waitpid(process_, &status_, 0);
  process_ = -1;
  const int code = WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
  return {code, stdout_so_far(), stderr_so_far()};  // one that is killed at once has no streams yet
}

ProgramResult run(const Path& folder, const std::vector<std::string>& arguments, const Surroundings& surroundings) {
  return Program(folder, arguments, surroundings).wait();
}

Path golden_model_folder() { return Path(WF_TEST_DATA) / "golden/tiny"; }

std::string small_list(int prompts, int steps) {
  std::string list = "defaults: {size: 32x32, frames: 5, steps: " + std::to_string(steps) + "}\nprompts:\n";
  for (int i = 1; i <= prompts; ++i)
    list += "  - {prompt: clip number " + std::to_string(i) + ", name: clip-" + std::to_string(i) + "}\n";
  return list;
}

std::string too_many_words() {
  std::string words;
  for (int i = 0; i < 600; ++i) words += " very";
  return words;
}

Path model_of_shorter_texts(const Path& folder) {
  const Path model = folder / "shorter-texts";
  std::filesystem::copy(golden_model_folder(), model, std::filesystem::copy_options::recursive);
  for (const char* const expert : {"high_noise_model", "low_noise_model"}) {
    const std::string length = "\"text_len\": ";
    std::string config = read_file(model / expert / "config.json");
    config.replace(config.find(length + "512"), length.size() + 3, length + "500");
    write_file(model / expert / "config.json", config);
  }
  return model;
}

std::vector<std::string> files_below(const Path& folder) {
  std::vector<std::string> names;
  if (!std::filesystem::exists(folder)) return names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    names.push_back(entry.path().lexically_relative(folder));
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace wf
