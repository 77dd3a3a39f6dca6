// models/shapes/world/shapes_captions.cpp: prints captions of random scenes: lines of text for the tokenizer, or a
// prompt list for `wanfarm render` and beside it what its clips must show, for tests/shapes_check.
#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cluster/error.hpp"
#include "models/shapes/world/caption.hpp"
#include "models/shapes/world/random.hpp"
#include "models/shapes/world/scene.hpp"
#include "models/shapes/world/verdict.hpp"

namespace wf::shapes {
namespace {

constexpr const char* usage = R"(usage: shapes_captions N [--seed S]
       shapes_captions --list N [--held-out] [--seed S] [--expect FILE]
The first prints N captions, one a line, of scenes that training may use. The second prints a prompt list, of all sizes
that training has; --held-out takes the scenes that it leaves out, --expect writes a JSON line a clip: its name and what
it must show.
)";

constexpr std::array sizes{"96x96", "128x96", "160x96", "96x128"};  // as in train/world.py

struct Wish {
  int count = 0;
  bool list = false, held_out = false;
  std::uint64_t seed = 1;
  std::string expect;
};

Wish read(const std::vector<std::string>& words) {
  Wish wish;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto value = [&] {
      if (++i >= words.size()) throw Error(Error::input, words.back() + " needs a value\n" + usage);
      return words[i];
    };
    if (words[i] == "--list")
      wish.list = true;
    else if (words[i] == "--held-out")
      wish.held_out = true;
    else if (words[i] == "--seed")
      wish.seed = std::stoull(value());
    else if (words[i] == "--expect")
      wish.expect = value();
    else
      wish.count = std::stoi(words[i]);
  }
  if (wish.count < 1) throw Error(Error::input, usage);
  return wish;
}

struct Prompt {
  Scene scene;
  std::string text;
};

std::vector<Prompt> prompts(const Wish& wish) {
  Random seeds(wish.seed);
  std::vector<Prompt> out;
  while (static_cast<int>(out.size()) < wish.count) {
    const Scene scene = random_scene(seeds.next());
    if (is_held_out(scene) == wish.held_out) out.push_back({scene, caption(scene, seeds.next())});
  }
  return out;
}

// "0012-red-star-left": a name for the files.
std::string name(const Scene& scene, std::size_t index) {
  const Shape& shape = scene.shapes[0];
  const std::string number = std::to_string(index + 1);
  return std::string(4 - std::min<std::size_t>(4, number.size()), '0') + number + "-" + to_string(shape.colour) + "-" +
         to_string(shape.figure) + "-" + to_string(shape.motion);
}

nlohmann::ordered_json expectation(const Prompt& prompt, const std::string& name) {
  nlohmann::ordered_json line{{"name", name}, {"prompt", prompt.text}};
  line.update(to_json(truth(prompt.scene)));
  return line;
}

void print_list(const Wish& wish) {
  std::ofstream expect;
  if (!wish.expect.empty()) expect.open(wish.expect);
  std::cout << "# Made by shapes_captions. The model is given by --model.\n"
            << "defaults: {frames: 17, steps: 20}\nprompts:\n";
  const std::vector<Prompt> all = prompts(wish);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string clip = name(all[i].scene, i);
    std::cout << "  - {name: " << clip << ", size: " << sizes[i % sizes.size()]
              << ", prompt: " << nlohmann::json(all[i].text) << "}\n";
    if (expect.is_open()) expect << expectation(all[i], clip) << "\n";
  }
  if (!wish.expect.empty() && !expect.flush()) throw Error(Error::storage, wish.expect + " cannot be written");
}

int run(const std::vector<std::string>& words) {
  const Wish wish = read(words);
  if (wish.list) {
    print_list(wish);
  } else {
    for (const Prompt& prompt : prompts(wish)) std::cout << prompt.text << "\n";
  }
  return 0;
}

}  // namespace
}  // namespace wf::shapes

int main(int count, char** words) {
  try {
    return wf::shapes::run({words + 1, words + count});
  } catch (const wf::Error& error) {
    std::cerr << error.what() << "\n";
    return wf::exit_code(error.kind());
  } catch (const std::exception&) {  // a number that is none
    std::cerr << wf::shapes::usage;
    return wf::exit_code(wf::Error::input);
  }
}
