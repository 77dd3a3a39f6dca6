#include "jobs/list/yaml_tree.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/null.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <istream>
#include <streambuf>
#include <string_view>
#include <unordered_map>

namespace wf {
namespace {

constexpr std::string_view no_tab = "a tab cannot indent (use spaces)";

/// Gives the text to yaml-cpp in small chunks. The parser keeps a whole '[...]' or '{...}' as tokens, about 250 bytes
/// per character, before it emits the first value in it; so it must not read far ahead of the last value emitted.
class ChunkedText : public std::streambuf {
 public:
  explicit ChunkedText(const Source& source) : source_(source) {}
  /// The parser has emitted a value that begins at this offset.
  void set_emitted(std::size_t offset) { emitted_ = offset; }

 protected:
  int_type underflow() override {
    constexpr std::size_t chunk = 4096, max_ahead = std::size_t{4} << 20;
    const std::size_t size = std::min(chunk, source_.text.size() - given_);
    if (size == 0) return traits_type::eof();
    if (given_ > emitted_ + max_ahead)
      throw ParseError{{&source_, emitted_},
                       "more than 4 MiB without a break (write one prompt a line, each after '- ')"};
    // A streambuf's pointers are not const, but an input stream only reads through them.
    char* const begin = const_cast<char*>(source_.text.data()) + given_;
    setg(begin, begin, begin + size);
    given_ += size;
    return traits_type::to_int_type(*begin);
  }

 private:
  const Source& source_;
  std::size_t given_ = 0, emitted_ = 0;
};

class Builder : public YAML::EventHandler {
 public:
  Builder(const Source& source, ChunkedText& text, Tree& tree) : source_(source), text_(text), tree_(tree) {}

  Location location(const YAML::Mark& mark) const {
    return {&source_, mark.pos < 0 ? source_.text.size() : static_cast<std::size_t>(mark.pos)};
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (tree_.root()) throw ParseError{location(mark), "a list is one YAML document (remove this second one)"};
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    keep(anchor, tree_.leaf(TreeNode::nothing, "", location_of_null(mark)));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const Location here = checked(mark, tag);
    if (tag == "!") check_closed(here);
    keep(anchor, tree_.leaf(TreeNode::text, value, here));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    keep(anchor, tree_.open(TreeNode::list, checked(mark, tag)));
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    keep(anchor, tree_.open(TreeNode::map, checked(mark, tag)));
  }
  void OnSequenceEnd() override { tree_.close(); }
  void OnMapEnd() override { tree_.close(); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end() || tree_.is_open(found->second))
      throw ParseError{location(mark), "an alias cannot stand inside the value it names"};
    tree_.repeat(found->second, location(mark));
  }

 private:
  void keep(YAML::anchor_t anchor, const TreeNode* node) {
    if (anchor != YAML::NullAnchor) anchors_[anchor] = node;
  }

  Location checked(const YAML::Mark& mark, const std::string& tag) {
    const Location here = location(mark);
    text_.set_emitted(here.offset);
    if (!tag.empty() && tag != "?" && tag != "!")
      throw ParseError{here, "tags (!...) are not read in a list (remove it; texts are put in quotes)"};
    if (mark.line != checked_line_) check_indentation(here, mark);
    checked_line_ = mark.line;
    return here;
  }

  /// Refuses a tab before the first value of a line. YAML gives it no width and yaml-cpp one column, neither of which
  /// is what the user sees.
  void check_indentation(Location here, const YAML::Mark& mark) const {
    const std::size_t line = here.offset - static_cast<std::size_t>(mark.column);
    const std::size_t begin = source_.text.find_first_not_of(' ', line);
    if (begin < here.offset && source_.text[begin] == '\t')
      throw ParseError{{&source_, begin}, "not YAML: " + std::string(no_tab)};
  }

  /// Refuses a text whose closing quote is missing: yaml-cpp accepts the end of the file in its place. (A block scalar
  /// has the same tag as a quoted text and begins with | or >.)
  void check_closed(Location here) const {
    const std::string& text = source_.text;
    std::size_t at = here.offset;
    if (text[at] == '&') at = text.find_first_not_of(" \t\n", text.find_first_of(" \t\n", at));
    if (at >= text.size() || (text[at] != '"' && text[at] != '\'')) return;
    const char quote = text[at];
    for (++at; at < text.size(); ++at) {
      if (text[at] == '\\' && quote == '"')
        ++at;
      else if (text[at] == quote && quote == '\'' && at + 1 < text.size() && text[at + 1] == quote)
        ++at;
      else if (text[at] == quote)
        return;
    }
    throw ParseError{here, "not YAML: this quote is not closed"};
  }

  /// yaml-cpp gives an empty value the location of what follows it. In a map it is reported at its key, in a list at
  /// its dash.
  Location location_of_null(const YAML::Mark& mark) const {
    const Location here = location(mark);
    const std::string_view rest = std::string_view(source_.text).substr(here.offset);
    const bool written = rest.starts_with('~') || rest.starts_with('n') || rest.starts_with('N');
    const TreeNode* parent = tree_.innermost();
    if (written || !parent) return here;
    if (parent->kind == TreeNode::map) return parent->items.empty() ? parent->location : parent->items.back()->location;
    const std::size_t dash = here.offset == 0 ? std::string::npos : source_.text.rfind('-', here.offset - 1);
    return dash == std::string::npos ? here : Location{&source_, dash};
  }

  const Source& source_;
  ChunkedText& text_;
  Tree& tree_;
  std::unordered_map<YAML::anchor_t, const TreeNode*> anchors_;
  int checked_line_ = -1;
};

/// A message of yaml-cpp, matched at its beginning, and the message that a user gets instead.
struct Advice {
  std::string_view theirs, ours;
  bool at_opening = false;  ///< Reported where the list or map began, since yaml-cpp names the end of the file.
};
constexpr std::array advices{
    Advice{"illegal map value",
           "':' cannot stand here (put a text that holds ': ' in quotes, or check the indentation)"},
    Advice{"illegal map key", "a key cannot stand here (check the indentation)"},
    Advice{"illegal block entry", "'-' cannot stand here (check the indentation)"},
    Advice{"illegal flow end", "this bracket closes nothing (put a text that holds it in quotes)"},
    Advice{"end of map flow not found", "this '{' is not closed by '}'", true},
    Advice{"end of sequence flow not found", "this '[' is not closed by ']'", true},
    Advice{"end of map not found", "this does not belong to the map above (check the indentation)"},
    Advice{"end of sequence not found", "this does not belong to the list above (check the indentation)"},
    Advice{"illegal tab when looking for indentation", no_tab},
    Advice{"unknown token", "a text cannot begin with this character (put it in quotes)"},
    Advice{"illegal EOF in scalar", "a quote is not closed before the end of the file"},
    Advice{"illegal document indicator in scalar", "a quote is not closed before the end of the document"},
    Advice{"unknown escape character",
           "no such \\ escape in double quotes (write \\\\ for a backslash, or use single quotes)"},
    Advice{"the referenced anchor is not defined",
           "this alias names no anchor above it (put a text that begins with * in quotes)"},
    Advice{"alias not found after *", "a text that begins with * must be in quotes"},
    Advice{"anchor not found after &", "a text that begins with & must be in quotes"},
};

ParseError explain(const YAML::Exception& error, const Builder& builder, const Tree& tree) {
  for (const Advice& advice : advices) {
    if (!error.msg.starts_with(advice.theirs)) continue;
    const bool opening = advice.at_opening && tree.innermost();
    return {opening ? tree.innermost()->location : builder.location(error.mark),
            "not YAML: " + std::string(advice.ours)};
  }
  return {builder.location(error.mark), "not YAML: " + error.msg};
}

}  // namespace

const TreeNode* read_yaml(const Source& source, Tree& tree, Diagnostics& diagnostics) {
  ChunkedText text(source);
  Builder builder(source, text, tree);
  try {
    std::istream stream(&text);
    stream.exceptions(std::ios::badbit);  // lets what ChunkedText throws reach this function
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
    return tree.root();
  } catch (const YAML::Exception& error) {
    const ParseError explained = explain(error, builder, tree);
    diagnostics.add(explained.location, explained.what);
  } catch (const ParseError& error) {
    diagnostics.add(error.location, error.what);
  }
  return nullptr;
}

}  // namespace wf
