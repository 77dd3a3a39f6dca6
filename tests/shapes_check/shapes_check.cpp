// tests/shapes_check/shapes_check.cpp: the program shapes_check: prints what video files show, and how much of it was
// expected.
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "tests/shapes_check/report.hpp"

namespace wf::shapes {
namespace {

constexpr const char* usage = R"(usage: shapes_check [--json] [--expect FILE] [--all-right] CLIP...
CLIP is a video file, or a folder of them (.mp4, .mkv, .y4m). --json prints one object per clip. --expect FILE, as
shapes_captions writes it, says what clips must show, and prints the shares that are right; a clip is identified by its
file name without the extension, and a missing one counts as wrong. --all-right: exit 1 unless everything is right.
)";

struct Options {
  bool json = false, all_right = false;
  Path expect;
  std::vector<Path> clips;
};

void add_clips(const Path& path, std::vector<Path>& clips) {
  if (!std::filesystem::is_directory(path)) return clips.push_back(path);
  const std::vector<Path> inside = clips_in(path);
  clips.insert(clips.end(), inside.begin(), inside.end());
}

Options parse(const std::vector<std::string>& arguments) {
  Options options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--json") {
      options.json = true;
    } else if (arguments[i] == "--all-right") {
      options.all_right = true;
    } else if (arguments[i] == "--expect" && i + 1 < arguments.size()) {
      options.expect = arguments[++i];
    } else if (arguments[i].starts_with("--")) {
      throw Error(Error::input, arguments[i] + " is not a known flag\n" + usage);
    } else {
      add_clips(arguments[i], options.clips);
    }
  }
  if (options.clips.empty()) throw Error(Error::input, std::string("no clips\n") + usage);
  std::sort(options.clips.begin(), options.clips.end());
  return options;
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

int run(const std::vector<std::string>& arguments) {
  const Options options = parse(arguments);
  std::map<std::string, Verdict> expected;
  if (!options.expect.empty()) expected = read_expected(options.expect);
  Tally tally;
  bool all_right = true;
  for (const Path& file : options.clips) {
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
