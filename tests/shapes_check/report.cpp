// tests/shapes_check/report.cpp: reads verdicts from JSON, compares and counts.
#include "tests/shapes_check/report.hpp"

#include <algorithm>
#include <fstream>
#include <iomanip>
#include <nlohmann/json.hpp>

#include "base/error.hpp"

namespace wf::shapes {
namespace {

using Json = nlohmann::ordered_json;

struct Part {
  bool Marks::*mark;
  const char* name;
};
constexpr std::array marked{Part{&Marks::colour, "main colour"}, Part{&Marks::background, "background"},
                            Part{&Marks::motion, "direction"}, Part{&Marks::figure, "figure"},
                            Part{&Marks::others, "other colours"}};

template <class Enum>
Enum value_of(const std::string& name, int count) {
  for (int i = 0; i < count; ++i) {
    if (name == to_string(static_cast<Enum>(i))) return static_cast<Enum>(i);
  }
  throw Error(Error::input, "unknown value \"" + name + "\"");
}

std::vector<Colour> colours_of(const Json& names) {
  std::vector<Colour> out;
  for (const Json& one : names) out.push_back(value_of<Colour>(one.get<std::string>(), colour_count));
  return out;
}

Verdict verdict_of(const Json& json) {
  return {colours_of(json.at("background")), value_of<Colour>(json.at("colour"), colour_count),
          value_of<Figure>(json.at("figure"), figure_count), value_of<Motion>(json.at("motion"), motion_count),
          colours_of(json.at("others"))};
}

std::vector<Colour> sorted(std::vector<Colour> colours) {
  std::sort(colours.begin(), colours.end());
  return colours;
}

}  // namespace

std::map<std::string, Verdict> read_expected(const Path& file) {
  std::ifstream lines(file);
  if (!lines) throw Error(Error::input, file.string() + " cannot be read");
  std::map<std::string, Verdict> expected;
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    within(file.string() + ":" + std::to_string(++number), [&] {
      try {
        const Json json = Json::parse(line);
        expected[json.at("name")] = verdict_of(json);
      } catch (const Json::exception& error) {
        throw Error(Error::input, error.what());
      }
    });
  }
  return expected;
}

Marks compare(const Verdict& seen, const Verdict& expected) {
  return {seen.colour == expected.colour, seen.background == expected.background, seen.motion == expected.motion,
          seen.figure == expected.figure, sorted(seen.others) == sorted(expected.others)};
}

void Tally::add(const Marks& marks) {
  ++clips_;
  all_right_ += marks.all();
  for (std::size_t i = 0; i < marked.size(); ++i) right_[i] += marks.*marked[i].mark;
}

std::size_t Tally::part_index(bool Marks::*part) {
  return static_cast<std::size_t>(
      std::find_if(marked.begin(), marked.end(), [&](const Part& p) { return p.mark == part; }) - marked.begin());
}

void Tally::print(std::ostream& out) const {
  const auto line = [&](const char* name, int right) {
    out << std::left << std::setw(14) << name << std::right << std::setw(5) << right << " of " << clips_ << std::fixed
        << std::setprecision(1) << std::setw(8) << 100. * right / clips_ << " %\n";
  };
  for (const Part& part : marked) line(part.name, count(part.mark));
  line("all of these", all_right_);
}

}  // namespace wf::shapes
