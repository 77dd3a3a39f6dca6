// tests/shapes_check/report.cpp: reads verdicts from JSON, compares and counts.
#include "tests/shapes_check/report.hpp"

#include <algorithm>
#include <fstream>
#include <iomanip>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "tests/shapes_check/interval.hpp"

namespace wf::shapes {
namespace {

using Json = nlohmann::ordered_json;

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
  for (std::size_t i = 0; i < rows.size(); ++i) right_[i] += rows[i].is_right(marks);
}

int Tally::count(bool Marks::*part) const {
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& one) { return one.part == part; });
  return right_.at(static_cast<std::size_t>(row - rows.begin()));
}

void Tally::print(std::ostream& out) const {
  const std::string of_all = " of " + std::to_string(clips_);
  out << std::right << std::setw(19 + static_cast<int>(of_all.size())) << "right" << std::setw(10) << "share"
      << "   95 % interval (Wilson score)\n";
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Interval interval = share_interval(right_[i], clips_);
    out << std::left << std::setw(14) << rows[i].name << std::right << std::setw(5) << right_[i] << of_all << std::fixed
        << std::setprecision(1) << std::setw(8) << 100. * right_[i] / clips_ << " %" << std::setw(8)
        << 100 * interval.low << " to " << std::setw(5) << 100 * interval.high << " %\n";
  }
}

}  // namespace wf::shapes
