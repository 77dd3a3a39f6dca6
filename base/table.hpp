// base/table.hpp: tables of measurements with units, printed as aligned text or as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <variant>
#include <vector>

namespace wf {

/// How one column of a table is named and rounded.
struct Column {
  std::string key;    ///< Name of the value in JSON.
  std::string title;  ///< Heading in the text, with the unit; an empty title leaves the column out of the text.
  int decimals = 0;   ///< Decimals of numbers in the text; -n means n significant digits. JSON is never rounded.
  bool left = false;  ///< Whether the text is left-aligned, as it always is in the first column.
};

/// A text, a number, or no value: "-" in the text, null in JSON.
using Cell = std::variant<std::monostate, std::string, double>;

/// Rows of cells; every row has one cell for each column.
struct Table {
  std::string key;  ///< Name of the table in JSON.
  std::vector<Column> columns;
  std::vector<std::vector<Cell>> rows = {};
};

/// A line of titles and a line for each row. Columns are right-aligned unless they say otherwise.
std::string to_text(const Table& table);

/// An array with an object for each row: [{column key: value, ...}, ...].
nlohmann::ordered_json to_json(const Table& table);

/// dividend / divisor, or an empty cell unless the divisor is positive.
Cell ratio(double dividend, double divisor);

}  // namespace wf
