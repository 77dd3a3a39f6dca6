// jobs/list/json_rows.cpp: reads JSON lines. It uses the events of nlohmann's parser, because its values forget
// repeated keys and locations. The location of a value is where the parser was before it read the value.
#include <algorithm>
#include <cstddef>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "jobs/list/prompt_file.hpp"

namespace wf {
namespace {

using nlohmann::json;

/// An input iterator that records how far the parser has read.
class Cursor {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Cursor(const char* at, const char** reached) : at_(at), reached_(reached) {}
  reference operator*() const { return *at_; }
  Cursor& operator++() {
    *reached_ = ++at_;
    return *this;
  }
  Cursor operator++(int) {
    Cursor old = *this;
    ++*this;
    return old;
  }
  bool operator==(const Cursor& other) const { return at_ == other.at_; }
  bool operator!=(const Cursor& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** reached_;
};

class RowBuilder : public nlohmann::json_sax<json> {
 public:
  RowBuilder(const Source& source, std::string_view line, Tree& tree)
      : source_(source), line_begin_(line.data()), next_(line.data()), reached_(line.data()), tree_(tree) {}

  bool read(std::string_view line) {
    return json::sax_parse(Cursor(line.data(), &reached_), Cursor(line.data() + line.size(), &reached_), this);
  }

  bool null() override { return leaf(TreeNode::nothing, ""); }
  bool boolean(bool value) override { return leaf(TreeNode::text, value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override { return leaf(TreeNode::text, std::to_string(value)); }
  bool number_unsigned(number_unsigned_t value) override { return leaf(TreeNode::text, std::to_string(value)); }
  bool number_float(number_float_t, const string_t& written) override { return leaf(TreeNode::text, written); }
  bool string(string_t& value) override { return leaf(TreeNode::text, std::move(value)); }
  bool key(string_t& value) override { return leaf(TreeNode::text, std::move(value)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(TreeNode::map); }
  bool start_array(std::size_t) override { return open(TreeNode::list); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t position, const std::string&, const json::exception& error) override {
    // The message is "[json.exception...] parse error at line 1, column 5: syntax error ...; last read: ...", where
    // what was last read may be a whole line.
    std::string_view what = error.what();
    what.remove_prefix(std::min(what.size(), what.find(": ") + 2));
    what = what.substr(0, what.find("; last read"));
    throw ParseError{at(line_begin_ + std::max<std::size_t>(position, 1) - 1), "not JSON: " + std::string(what)};
  }

 private:
  Location at(const char* byte) const { return {&source_, static_cast<std::size_t>(byte - source_.text.data())}; }

  /// The beginning of the value that the parser has just read.
  Location begin() {
    while (next_ != reached_ && std::string_view(" \t,:").find(*next_) != std::string_view::npos) ++next_;
    const Location location = at(next_);
    next_ = reached_;
    return location;
  }
  bool leaf(TreeNode::Kind kind, std::string value) {
    tree_.leaf(kind, std::move(value), begin());
    return true;
  }
  bool open(TreeNode::Kind kind) {
    tree_.open(kind, begin());
    return true;
  }
  bool close() {
    tree_.close();
    next_ = reached_;
    return true;
  }

  const Source& source_;
  const char* line_begin_;
  const char* next_;     // where the next value can begin
  const char* reached_;  // how far the parser has read
  Tree& tree_;
};

void read_line(const Source& source, std::string_view line, Tree& tree, const RowReader& row) {
  RowBuilder builder(source, line, tree);
  builder.read(line);
  if (tree.root()->kind != TreeNode::map)
    throw ParseError{tree.root()->location,
                     "each line must be a JSON object, such as {\"prompt\": \"Rain on a window\"}"};
  row(*tree.root());
}

}  // namespace

void read_json_lines(const Source& source, Diagnostics& diagnostics, const RowReader& row) {
  Tree tree;
  const std::string_view text = source.text;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    tree.clear();
    try {
      if (line.find_first_not_of(" \t") != std::string_view::npos) read_line(source, line, tree, row);
    } catch (const ParseError& error) {
      diagnostics.add(error.location, error.what);
    }
    begin = end + 1;
  }
}

}  // namespace wf
