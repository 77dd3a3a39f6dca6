// jobs/list/csv_rows.cpp: CSV as RFC 4180 describes it, also with the semicolons or tabs that spreadsheets write.
#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "jobs/list/prompt_file.hpp"

namespace wf {
namespace {

/// What separates the cells of a row.
struct Delimiter {
  char character;
  std::string_view name;  ///< With its article, for messages.
};
constexpr std::array delimiters{Delimiter{',', "a comma"}, Delimiter{';', "a semicolon"}, Delimiter{'\t', "a tab"}};

struct Cell {
  std::string value;
  Location location;
};
using Row = std::vector<Cell>;

/// A delimiter and the location of its first use.
struct Use {
  Delimiter delimiter;
  std::size_t offset;
};

/// The delimiters in the row that begins at `begin`, outside its quoted cells, in the order of their first use.
std::vector<Use> delimiters_of_row(std::string_view text, std::size_t begin) {
  std::vector<Use> uses;
  bool quoted = false;
  for (std::size_t at = begin; at < text.size() && (quoted || text[at] != '\n'); ++at) {
    if (text[at] == '"') quoted = !quoted;
    const auto found = std::ranges::find(delimiters, text[at], &Delimiter::character);
    if (quoted || found == delimiters.end()) continue;
    if (std::ranges::none_of(uses, [&](const Use& use) { return use.delimiter.character == text[at]; }))
      uses.push_back({*found, at});
  }
  return uses;
}

/// The delimiter of a text whose first row names the columns, so that no cell of it holds one. A comma is assumed where
/// there is only one column. Throws ParseError when the first row holds several delimiters.
Delimiter delimiter_of(const Source& source) {
  const std::string_view text = source.text;
  const std::vector<Use> uses = delimiters_of_row(text, std::min(text.find_first_not_of('\n'), text.size()));
  if (uses.size() > 1)
    throw ParseError{{&source, uses[1].offset},
                     "the first row separates its columns by " + std::string(uses[0].delimiter.name) + " and by " +
                         std::string(uses[1].delimiter.name) + " (use one of them in all rows)"};
  return uses.empty() ? delimiters.front() : uses.front().delimiter;
}

class CsvReader {
 public:
  /// Throws ParseError where the text does not say clearly what separates its cells.
  explicit CsvReader(const Source& source) : source_(source), text_(source.text) {
    if (text_.starts_with(separator_key))
      read_separator_line();
    else
      delimiter_ = delimiter_of(source);
  }

  /// What separates the cells, with its article: "a comma".
  std::string delimiter_name() const { return std::string(delimiter_.name); }

  /// The next row that is not an empty line, or empty at the end. After it has thrown ParseError, the next call
  /// continues with the following line.
  std::optional<Row> next() {
    while (at_ < text_.size() && text_[at_] == '\n') ++at_;
    if (at_ == text_.size()) return {};
    Row row;
    do row.push_back(cell());
    while (ended_by(delimiter_.character));
    ended_by('\n');
    return row;
  }

 private:
  /// Reads a line such as "sep=;", with which some programs tell a spreadsheet the delimiter.
  void read_separator_line() {
    const std::string_view line = text_.substr(0, text_.find('\n')), value = line.substr(separator_key.size());
    const auto known =
        std::ranges::find(delimiters, value, [](const Delimiter& d) { return std::string_view(&d.character, 1); });
    if (known == delimiters.end())
      throw ParseError{{&source_, separator_key.size()}, "cells can be separated by a comma, a semicolon or a tab"};
    delimiter_ = *known;
    at_ = line.size();
  }

  bool ended_by(char separator) {
    const bool here = at_ < text_.size() && text_[at_] == separator;
    at_ += here;
    return here;
  }

  Cell cell() {
    const Location location{&source_, at_};
    if (at_ < text_.size() && text_[at_] == '"') return {quoted_value(location), location};
    const std::array ends{delimiter_.character, '\n'};
    const std::size_t end = std::min(text_.find_first_of({ends.data(), ends.size()}, at_), text_.size());
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
        if (at_ < text_.size() && text_[at_] != delimiter_.character && text_[at_] != '\n')
          refuse({&source_, at_}, "after a closing quote " + delimiter_name() +
                                      " or the row's end must follow (a quote in a cell is doubled)");
        return value;
      }
    }
    throw ParseError{location, "this quote is not closed"};
  }

  [[noreturn]] void refuse(Location location, std::string what) {
    at_ = std::min(text_.find('\n', at_), text_.size());
    throw ParseError{location, std::move(what)};
  }

  static constexpr std::string_view separator_key = "sep=";

  const Source& source_;
  std::string_view text_;
  Delimiter delimiter_ = delimiters.front();
  std::size_t at_ = 0;
};

/// The row as a map. Empty cells are left out, except an empty prompt, which is an error.
const TreeNode& as_map(const Row& header, const Row& row, const std::string& delimiter, Tree& tree) {
  if (row.size() != header.size())
    throw ParseError{row.front().location, "this row has " + std::to_string(row.size()) + " cells, the first row has " +
                                               std::to_string(header.size()) + " (put a text that holds " + delimiter +
                                               " in quotes)"};
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
  std::optional<CsvReader> reader;
  std::optional<Row> header;
  Tree tree;
  for (;;) {
    try {
      if (!reader) reader.emplace(source);
      const std::optional<Row> cells = reader->next();
      if (!cells) return;
      if (header)
        row(as_map(*header, *cells, reader->delimiter_name(), tree));
      else
        header = cells;
    } catch (const ParseError& error) {
      diagnostics.add(error.location, error.what);
      if (!header) return;  // no row can be read without the names of the columns
    }
  }
}

}  // namespace wf
