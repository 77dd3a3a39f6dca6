// jobs/csv_rows.cpp: CSV as RFC 4180 describes it.
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "jobs/prompt_file.hpp"

namespace wf {
namespace {

struct Cell {
  std::string value;
  Place place;
};
using Row = std::vector<Cell>;

class CsvReader {
 public:
  explicit CsvReader(const Source& source) : source_(source), text_(source.text) {}

  /// The next row that is not an empty line; empty at the end. Throws Unreadable; then next() goes on with the
  /// following line.
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
    const Place place{&source_, at_};
    if (at_ < text_.size() && text_[at_] == '"') return {quoted_value(place), place};
    const std::size_t end = std::min(text_.find_first_of(",\n", at_), text_.size());
    const std::string_view value = text_.substr(at_, end - at_);
    if (const std::size_t quote = value.find('"'); quote != std::string_view::npos)
      refuse({&source_, at_ + quote}, "a cell with a quote in it must be in quotes (\"a \"\"word\"\" in it\")");
    at_ = end;
    return {std::string(value), place};
  }

  std::string quoted_value(Place place) {
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
    throw Unreadable{place, "this quote is not closed"};
  }

  [[noreturn]] void refuse(Place place, std::string what) {
    at_ = std::min(text_.find('\n', at_), text_.size());
    throw Unreadable{place, std::move(what)};
  }

  const Source& source_;
  std::string_view text_;
  std::size_t at_ = 0;
};

/// The row as a map; cells that are empty are left out, but the prompt, which must not be.
const TreeNode& as_map(const Row& header, const Row& row, Tree& tree) {
  if (row.size() != header.size())
    throw Unreadable{row.front().place, "this row has " + std::to_string(row.size()) + " cells, the first row has " +
                                            std::to_string(header.size()) +
                                            " (put a text that holds a comma in quotes)"};
  tree.clear();
  const TreeNode* map = tree.open(TreeNode::map, row.front().place);
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (row[i].value.empty() && header[i].value != "prompt") continue;
    tree.leaf(TreeNode::text, header[i].value, header[i].place);
    tree.leaf(TreeNode::text, row[i].value, row[i].place);
  }
  return *map;
}

}  // namespace

void read_csv_rows(const Source& source, Mistakes& mistakes, const RowReader& row) {
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
    } catch (const Unreadable& mistake) {
      mistakes.add(mistake.place, mistake.what);
      if (!header) return;  // nothing can be read without the columns' names
    }
  }
}

}  // namespace wf
