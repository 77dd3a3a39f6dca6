// tests/shapes_check/shapes_check.cpp: the program: says of video files what they show, and how much of it was asked
// for.
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cluster/error.hpp"
#include "tests/shapes_check/report.hpp"

namespace wf::shapes {
namespace {

constexpr const char* usage = R"(usage: shapes_check [--json] [--expect FILE] [--all-right] CLIP...
A clip is a video file, or a folder that holds some (.mp4, .mkv, .y4m). --json prints an object a clip. --expect FILE,
as shapes_captions writes it, names what clips must show and prints the shares that are right; a clip is known by its
file's name without the ending, and one that is not there counts as wrong. --all-right: exit 1 unless everything is.
)";

struct Wish {
  bool json = false, all_right = false;
  Path expect;
  std::vector<Path> clips;
};

void add_clips(const Path& path, std::vector<Path>& clips) {
  if (!std::filesystem::is_directory(path)) return clips.push_back(path);
  const std::vector<Path> inside = clips_in(path);
  clips.insert(clips.end(), inside.begin(), inside.end());
}

Wish read(const std::vector<std::string>& words) {
  Wish wish;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--json") {
      wish.json = true;
    } else if (words[i] == "--all-right") {
      wish.all_right = true;
    } else if (words[i] == "--expect" && i + 1 < words.size()) {
      wish.expect = words[++i];
    } else if (words[i].starts_with("--")) {
      throw Error(Error::input, words[i] + " is not understood\n" + usage);
    } else {
      add_clips(words[i], wish.clips);
    }
  }
  if (wish.clips.empty()) throw Error(Error::input, std::string("no clips\n") + usage);
  std::sort(wish.clips.begin(), wish.clips.end());
  return wish;
}

void print_json(const std::string& name, const Verdict& seen, const Verdict* expected) {
  nlohmann::ordered_json line{{"name", name}};
  line.update(to_json(seen));
  if (expected) line["right"] = compare(seen, *expected).all();
  std::cout << line << "\n";
}

void print_mistake(const std::string& name, const Verdict& seen, const Verdict& expected) {
  std::cout << name << "\n  expected " << to_json(expected) << "\n  seen     " << to_json(seen) << "\n";
}

int run(const std::vector<std::string>& words) {
  const Wish wish = read(words);
  std::map<std::string, Verdict> expected;
  if (!wish.expect.empty()) expected = read_expected(wish.expect);
  Tally tally;
  bool all_right = true;
  for (const Path& file : wish.clips) {
    const std::string name = file.stem().string();
    const Verdict seen = look(read_clip(file));
    const auto found = expected.find(name);
    const Verdict* asked = found == expected.end() ? nullptr : &found->second;
    if (wish.json || wish.expect.empty()) print_json(name, seen, asked);
    if (!asked) continue;
    const Marks marks = compare(seen, *asked);
    if (!marks.all() && !wish.json) print_mistake(name, seen, *asked);
    all_right = all_right && marks.all();
    tally.add(marks);
    expected.erase(found);
  }
  for (const auto& [name, missing] : expected) {
    std::cerr << name << " is not there\n";
    tally.add({});
  }
  if (tally.clips() > 0) tally.print(wish.json ? std::cerr : std::cout);
  return wish.all_right && !(all_right && expected.empty()) ? 1 : 0;
}

}  // namespace
}  // namespace wf::shapes

int main(int count, char** words) {
  try {
    return wf::shapes::run({words + 1, words + count});
  } catch (...) {
    const wf::Error error = wf::current_error();
    std::cerr << error.what() << "\n";
    return wf::exit_code(error.kind());
  }
}
