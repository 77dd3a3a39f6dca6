// models/shapes/world/shapes_captions.cpp: prints captions of random scenes, either as lines of text for the tokenizer,
// or as a prompt list for `wanfarm render` together with what its clips must show, for tests/shapes_check.
#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "models/shapes/world/caption.hpp"
#include "models/shapes/world/random.hpp"
#include "models/shapes/world/scene.hpp"
#include "models/shapes/world/verdict.hpp"

namespace wf::shapes {
namespace {

constexpr const char* usage = R"(usage: shapes_captions N [--seed S]
       shapes_captions --list N [--held-out] [--seed S] [--expect FILE]
The first form prints N captions, one per line, of scenes that training may use. The second prints a prompt list with all
sizes that training uses; --held-out uses the scenes that training leaves out, --expect writes one JSON line per clip: its
name and what it must show.
)";

constexpr std::array sizes{"96x96", "128x96", "160x96", "96x128"};  // as in train/world.py

struct Options {
  int count = 0;
  bool list = false, held_out = false;
  std::uint64_t seed = 1;
  std::string expect;
};

Options parse(const std::vector<std::string>& arguments) {
  Options options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const auto value = [&] {
      if (++i >= arguments.size()) throw Error(Error::input, arguments.back() + " needs a value\n" + usage);
      return arguments[i];
    };
    if (arguments[i] == "--list")
      options.list = true;
    else if (arguments[i] == "--held-out")
      options.held_out = true;
    else if (arguments[i] == "--seed")
      options.seed = std::stoull(value());
    else if (arguments[i] == "--expect")
      options.expect = value();
    else
      options.count = std::stoi(arguments[i]);
  }
  if (options.count < 1) throw Error(Error::input, usage);
  return options;
}

struct Prompt {
  Scene scene;
  std::string text;
};

std::vector<Prompt> prompts(const Options& options) {
  Random seeds(options.seed);
  std::vector<Prompt> out;
  while (static_cast<int>(out.size()) < options.count) {
    const Scene scene = random_scene(seeds.next());
    if (is_held_out(scene) == options.held_out) out.push_back({scene, caption(scene, seeds.next())});
  }
  return out;
}

// The name of a clip's files: "0012-red-star-left".
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

void print_list(const Options& options) {
  std::ofstream expect;
  if (!options.expect.empty()) expect.open(options.expect);
  std::cout << "# Made by shapes_captions. Pass the model with --model.\n"
            << "defaults: {frames: 17, steps: 20}\nprompts:\n";
  const std::vector<Prompt> all = prompts(options);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string clip = name(all[i].scene, i);
    std::cout << "  - {name: " << clip << ", size: " << sizes[i % sizes.size()]
              << ", prompt: " << nlohmann::json(all[i].text) << "}\n";
    if (expect.is_open()) expect << expectation(all[i], clip) << "\n";
  }
  if (!options.expect.empty() && !expect.flush()) throw Error(Error::storage, options.expect + " cannot be written");
}

int run(const std::vector<std::string>& arguments) {
  const Options options = parse(arguments);
  if (options.list) {
    print_list(options);
  } else {
    for (const Prompt& prompt : prompts(options)) std::cout << prompt.text << "\n";
  }
  return 0;
}

}  // namespace
}  // namespace wf::shapes

int main(int count, char** arguments) {
  try {
    return wf::shapes::run({arguments + 1, arguments + count});
  } catch (const wf::Error& error) {
    std::cerr << error.what() << "\n";
    return wf::exit_code(error.kind());
  } catch (const std::exception&) {  // an argument that should be a number is not
    std::cerr << wf::shapes::usage;
    return wf::exit_code(wf::Error::input);
  }
}
