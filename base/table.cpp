#include "base/table.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

namespace wf {
namespace {

std::string text_of(const Cell& cell, const Column& column) {
  if (const auto* const text = std::get_if<std::string>(&cell)) return *text;
  const auto* const number = std::get_if<double>(&cell);
  if (!number) return "-";
  return column.decimals < 0 ? fmt::format("{:.{}g}", *number, -column.decimals)
                             : fmt::format("{:.{}f}", *number, column.decimals);
}

nlohmann::ordered_json json_of(const Cell& cell) {
  if (const auto* const text = std::get_if<std::string>(&cell)) return *text;
  if (const auto* const number = std::get_if<double>(&cell)) return *number;
  return nullptr;
}

using Line = std::vector<std::string>;

/// Code points: fmt's padding counts the same for all but the widest characters.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

std::vector<std::size_t> widths_of(const std::vector<Line>& lines) {
  std::vector<std::size_t> widths(lines.front().size(), 0);
  for (const Line& line : lines)
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], width_of(line[i]));
  return widths;
}

}  // namespace

std::string to_text(const Table& table) {
  std::vector<Line> lines(1);
  std::vector<bool> left;
  for (const Column& column : table.columns)
    if (!column.title.empty()) {
      left.push_back(column.left || lines[0].empty());
      lines[0].push_back(column.title);
    }
  for (const std::vector<Cell>& row : table.rows) {
    Line& line = lines.emplace_back();
    for (std::size_t i = 0; i < row.size(); ++i)
      if (!table.columns[i].title.empty()) line.push_back(text_of(row[i], table.columns[i]));
  }
  const std::vector<std::size_t> widths = widths_of(lines);
  std::string text;
  for (const Line& line : lines) {
    std::string row;
    for (std::size_t i = 0; i < line.size(); ++i) {
      const std::string gap(i == 0 ? 0 : 2, ' ');
      row += gap + (left[i] ? fmt::format("{:<{}}", line[i], widths[i]) : fmt::format("{:>{}}", line[i], widths[i]));
    }
    row.resize(row.find_last_not_of(' ') + 1);
    text += row + '\n';
  }
  return text;
}

nlohmann::ordered_json to_json(const Table& table) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const std::vector<Cell>& row : table.rows) {
    nlohmann::ordered_json& object = rows.emplace_back(nlohmann::ordered_json::object());
    for (std::size_t i = 0; i < row.size(); ++i) object[table.columns[i].key] = json_of(row[i]);
  }
  return rows;
}

Cell ratio(double dividend, double divisor) { return divisor > 0 ? Cell(dividend / divisor) : Cell(); }

}  // namespace wf
