// jobs/list/csv_rows.cpp: CSV as RFC 4180 describes it.
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "jobs/list/prompt_file.hpp"

namespace wf {
namespace {

struct Cell {
  std::string value;
  Location location;
};
using Row = std::vector<Cell>;

class CsvReader {
 public:
  explicit CsvReader(const Source& source) : source_(source), text_(source.text) {}

  /// The next row that is not an empty line, or empty at the end. After it has thrown ParseError, the next call
  /// continues with the following line.
  std::optional<Row> next() {
    while (at_ < text_.size() && text_[at_] == '\n') ++at_;
    if (at_ == text_.size()) return {};
    Row row;
    do row.push_back(cell());
    while (ended_by(','));
    ended_by('\n');
    return row;
  }

 private:
  bool ended_by(char separator) {
    const bool here = at_ < text_.size() && text_[at_] == separator;
    at_ += here;
    return here;
  }

  Cell cell() {
    const Location location{&source_, at_};
    if (at_ < text_.size() && text_[at_] == '"') return {quoted_value(location), location};
    const std::size_t end = std::min(text_.find_first_of(",\n", at_), text_.size());
    const std::string_view value = text_.substr(at_, end - at_);
    if (const std::size_t quote = value.find('"'); quote != std::string_view::npos)
      refuse({&source_, at_ + quote}, "a cell with a quote in it must be in quotes (\"a \"\"word\"\" in it\")");
    at_ = end;
    return {std::string(value), location};
  }

  std::string quoted_value(Location location) {
    std::string value;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] != '"') {
        value += text_[at_];
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
        value += text_[at_++];
      } else {
        ++at_;
        if (at_ < text_.size() && text_[at_] != ',' && text_[at_] != '\n')
          refuse({&source_, at_},
                 "after a closing quote a comma or the row's end must follow (a quote in a cell is doubled)");
        return value;
      }
    }
    throw ParseError{location, "this quote is not closed"};
  }

  [[noreturn]] void refuse(Location location, std::string what) {
    at_ = std::min(text_.find('\n', at_), text_.size());
    throw ParseError{location, std::move(what)};
  }

  const Source& source_;
  std::string_view text_;
  std::size_t at_ = 0;
};

/// The row as a map. Empty cells are left out, except an empty prompt, which is an error.
const TreeNode& as_map(const Row& header, const Row& row, Tree& tree) {
  if (row.size() != header.size())
    throw ParseError{row.front().location, "this row has " + std::to_string(row.size()) + " cells, the first row has " +
                                               std::to_string(header.size()) +
                                               " (put a text that holds a comma in quotes)"};
  tree.clear();
  const TreeNode* map = tree.open(TreeNode::map, row.front().location);
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (row[i].value.empty() && header[i].value != "prompt") continue;
    tree.leaf(TreeNode::text, header[i].value, header[i].location);
    tree.leaf(TreeNode::text, row[i].value, row[i].location);
  }
  return *map;
}

}  // namespace

void read_csv_rows(const Source& source, Diagnostics& diagnostics, const RowReader& row) {
  CsvReader reader(source);
  std::optional<Row> header;
  Tree tree;
  for (;;) {
    try {
      const std::optional<Row> cells = reader.next();
      if (!cells) return;
      if (header)
        row(as_map(*header, *cells, tree));
      else
        header = cells;
    } catch (const ParseError& error) {
      diagnostics.add(error.location, error.what);
      if (!header) return;  // no row can be read without the names of the columns
    }
  }
}

}  // namespace wf
