// tests/shapes_check/shapes_check.cpp: the program shapes_check: prints what video files show, and how much of it was
// expected.
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "tests/shapes_check/against.hpp"
#include "tests/shapes_check/report.hpp"

namespace wf::shapes {
namespace {

constexpr const char* usage = R"(usage: shapes_check [--json] [--expect FILE] [--all-right] CLIP...
       shapes_check --expect FILE FOLDER --against OTHER
CLIP is a video file, or a folder of them (.mp4, .mkv, .y4m). --json prints one object per clip. --expect FILE, as
shapes_captions writes it, says what clips must show, and prints the shares that are right, each with its 95 % interval
(Wilson score, which holds for shares near 100 % of few clips); a clip is identified by its file name without the
extension, and a missing one counts as wrong. --all-right: exit 1 unless everything is right.
--against compares FOLDER with OTHER, which holds clips of the same prompts and seeds: the shares of both, how many clips
are right in one of them alone, the difference in points (FOLDER minus OTHER) with its 95 % interval for paired shares
(Newcombe 1998, method 10), and, as divergence, not as quality, median PSNR and SSIM. Here a missing clip is an error.
)";

struct Options {
  bool json = false, all_right = false;
  Path expect, against;
  std::vector<Path> places;  // files and folders
};

Options parse(const std::vector<std::string>& arguments) {
  Options options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& one = arguments[i];
    if (one == "--json") {
      options.json = true;
    } else if (one == "--all-right") {
      options.all_right = true;
    } else if (one == "--expect" || one == "--against") {
      if (i + 1 == arguments.size()) throw Error(Error::input, one + " needs a value\n" + usage);
      (one == "--expect" ? options.expect : options.against) = arguments[++i];
    } else if (one.starts_with("--")) {
      throw Error(Error::input, one + " is not a known flag\n" + usage);
    } else {
      options.places.emplace_back(one);
    }
  }
  return options;
}

int compare_folders(const Options& options) {
  if (options.expect.empty() || options.places.size() != 1)
    throw Error(Error::input, std::string("--against needs --expect and one folder\n") + usage);
  if (options.json || options.all_right)
    throw Error(Error::input, std::string("--against goes with neither --json nor --all-right\n") + usage);
  const std::map<std::string, Verdict> expected = read_expected(options.expect);
  if (expected.empty()) throw Error(Error::input, options.expect.string() + " expects no clips");
  print_comparison(expected, options.places[0], options.against, std::cout);
  return 0;
}

std::vector<Path> all_clips(const std::vector<Path>& places) {
  std::vector<Path> clips;
  for (const Path& place : places) {
    const std::vector<Path> inside = std::filesystem::is_directory(place) ? clips_in(place) : std::vector{place};
    clips.insert(clips.end(), inside.begin(), inside.end());
  }
  if (clips.empty()) throw Error(Error::input, std::string("no clips\n") + usage);
  std::sort(clips.begin(), clips.end());
  return clips;
}

void print_json(const std::string& name, const Verdict& seen, const Verdict* expected) {
  nlohmann::ordered_json line{{"name", name}};
  line.update(to_json(seen));
  if (expected) line["right"] = compare(seen, *expected).all();
  std::cout << line << "\n";
}

void print_difference(const std::string& name, const Verdict& seen, const Verdict& expected) {
  std::cout << name << "\n  expected " << to_json(expected) << "\n  seen     " << to_json(seen) << "\n";
}

int check_clips(const Options& options) {
  const std::vector<Path> clips = all_clips(options.places);
  std::map<std::string, Verdict> expected;
  if (!options.expect.empty()) expected = read_expected(options.expect);
  Tally tally;
  bool all_right = true;
  for (const Path& file : clips) {
    const std::string name = file.stem().string();
    const Verdict seen = look(read_clip(file));
    const auto found = expected.find(name);
    const Verdict* asked = found == expected.end() ? nullptr : &found->second;
    if (options.json || options.expect.empty()) print_json(name, seen, asked);
    if (!asked) continue;
    const Marks marks = compare(seen, *asked);
    if (!marks.all() && !options.json) print_difference(name, seen, *asked);
    all_right = all_right && marks.all();
    tally.add(marks);
    expected.erase(found);
  }
  for (const auto& [name, missing] : expected) {
    std::cerr << name << " is missing\n";
    tally.add({});
  }
  if (tally.clips() > 0) tally.print(options.json ? std::cerr : std::cout);
  return options.all_right && !(all_right && expected.empty()) ? 1 : 0;
}

int run(const std::vector<std::string>& arguments) {
  const Options options = parse(arguments);
  return options.against.empty() ? check_clips(options) : compare_folders(options);
}

}  // namespace
}  // namespace wf::shapes

int main(int count, char** arguments) {
  try {
    return wf::shapes::run({arguments + 1, arguments + count});
  } catch (...) {
    const wf::Error error = wf::current_error();
    std::cerr << error.what() << "\n";
    return wf::exit_code(error.kind());
  }
}
