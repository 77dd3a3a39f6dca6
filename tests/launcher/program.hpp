// tests/launcher/program.hpp: the built program as a user starts it, in a folder of its own.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/temp_folder.hpp"

namespace wf {

using test::TempFolder;

/// What a program that has ended leaves behind.
struct ProgramResult {
  int code = -1;  ///< exit code; 128 + signal when one ended it
  std::string out, err;
};

/// What a program is started with beside its arguments.
struct Surroundings {
  std::string input = {};                     ///< stdin
  std::vector<std::string> environment = {};  ///< "NAME=value", added
  std::uint64_t largest_file = 0;             ///< RLIMIT_FSIZE; 0: none
};

/// The program as a process whose current folder is `folder`. The destructor kills it when it is still running.
class Program {
 public:
  Program(const Path& folder, const std::vector<std::string>& arguments, const Surroundings& surroundings = {});
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  void signal(int number) const;
  bool running();
  std::string stdout_so_far() const;
  std::string stderr_so_far() const;
  ProgramResult wait();

 private:
  TempFolder streams_;
  pid_t process_ = -1;
  int status_ = 0;
};

ProgramResult run(const Path& folder, const std::vector<std::string>& arguments, const Surroundings& surroundings = {});

/// The tiny checkpoint that the golden numbers were made with.
Path golden_model_folder();
/// A prompt list of that many clips of 32x32 pixels and 5 frames, which render in a second or two.
std::string small_list(int prompts, int steps = 2);

/// Words that make a prompt longer than the next model takes: its clip fails for good at the first attempt, with
/// `input`.
std::string too_many_words();
/// A copy of the golden checkpoint in the folder, whose experts take a few tokens less than a prompt is cut to.
Path model_of_shorter_texts(const Path& folder);

/// The names of all files and folders below a folder, relative to it, sorted.
std::vector<std::string> files_below(const Path& folder);

}  // namespace wf
