// launcher/bench/table.hpp: numbers with their units, once for people and once as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <variant>
#include <vector>

namespace wf {

struct Column {
  std::string key;    ///< in JSON
  std::string title;  ///< in the table, with the unit; empty: for JSON alone
  int decimals = 0;   ///< of numbers in the table, below 0: so many digits in all; JSON has them all
};

/// A text, a number, or nothing: "-" in the table, null in JSON.
using Cell = std::variant<std::monostate, std::string, double>;

struct Table {
  std::string key;
  std::vector<Column> columns;
  std::vector<std::vector<Cell>> rows = {};
};

/// A line of titles and one for each row; the first column to the left, the others to the right.
std::string to_text(const Table& table);

/// [{column's key: value, ...}, ...]
nlohmann::ordered_json to_json(const Table& table);

/// Nothing where the divisor is 0.
Cell ratio(double dividend, double divisor);

}  // namespace wf
