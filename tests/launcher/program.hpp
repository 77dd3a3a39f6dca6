// tests/launcher/program.hpp: the built program as a user starts it, in a folder of its own.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/temp_folder.hpp"

namespace wf {

using test::TempFolder;

struct Outcome {
  int code = -1;  ///< exit code; 128 + signal when one ended it
  std::string out, err;
};

struct Surroundings {
  std::string input = {};                     ///< stdin
  std::vector<std::string> environment = {};  ///< "NAME=value", added
  std::uint64_t largest_file = 0;             ///< RLIMIT_FSIZE; 0: none
};

/// A process at work in `folder` (its current folder). Waited for, or killed, by its destructor.
class Program {
 public:
  Program(const Path& folder, const std::vector<std::string>& arguments, const Surroundings& surroundings = {});
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  void signal(int number) const;
  bool running();
  std::string said() const;  ///< on stderr, so far
  Outcome wait();

 private:
  TempFolder streams_;
  pid_t process_ = -1;
  int status_ = 0;
};

Outcome run(const Path& folder, const std::vector<std::string>& arguments, const Surroundings& surroundings = {});

/// The checkpoint of the official numbers: tiny, and quick on a CPU.
Path golden_model_folder();
/// A list of `prompts` clips of 32x32 pixels and 5 frames, so small that it is rendered in a second or two.
std::string small_list(int prompts, int steps = 2);

/// Names of everything below a folder, relative to it.
std::vector<std::string> files_below(const Path& folder);

}  // namespace wf
