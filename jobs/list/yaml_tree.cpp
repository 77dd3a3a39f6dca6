#include "jobs/yaml_tree.hpp"

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

/// The text for yaml-cpp, in small pieces. It holds a whole '[...]' or '{...}' as tokens, some 250 bytes for each
/// character, before it tells of the first value in it: so it may not read far ahead of the last value told.
class PiecewiseText : public std::streambuf {
 public:
  explicit PiecewiseText(const Source& source) : source_(source) {}
  void told(std::size_t offset) { told_ = offset; }

 protected:
  int_type underflow() override {
    constexpr std::size_t piece = 4096, most_ahead = std::size_t{4} << 20;
    const std::size_t size = std::min(piece, source_.text.size() - given_);
    if (size == 0) return traits_type::eof();
    if (given_ > told_ + most_ahead)
      throw Unreadable{{&source_, told_}, "more than 4 MiB without a break (write one prompt a line, each after '- ')"};
    // A streambuf's pointers are not const, but an input stream only reads through them.
    char* const begin = const_cast<char*>(source_.text.data()) + given_;
    setg(begin, begin, begin + size);
    given_ += size;
    return traits_type::to_int_type(*begin);
  }

 private:
  const Source& source_;
  std::size_t given_ = 0, told_ = 0;
};

class Builder : public YAML::EventHandler {
 public:
  Builder(const Source& source, PiecewiseText& text, Tree& tree) : source_(source), text_(text), tree_(tree) {}

  Place place(const YAML::Mark& mark) const {
    return {&source_, mark.pos < 0 ? source_.text.size() : static_cast<std::size_t>(mark.pos)};
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (tree_.root()) throw Unreadable{place(mark), "a list is one YAML document (remove this second one)"};
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    keep(anchor, tree_.leaf(TreeNode::nothing, "", place_of_nothing(mark)));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const Place here = checked(mark, tag);
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
      throw Unreadable{place(mark), "an alias cannot stand inside the value it names"};
    tree_.repeat(found->second, place(mark));
  }

 private:
  void keep(YAML::anchor_t anchor, const TreeNode* node) {
    if (anchor != YAML::NullAnchor) anchors_[anchor] = node;
  }

  Place checked(const YAML::Mark& mark, const std::string& tag) {
    const Place here = place(mark);
    text_.told(here.offset);
    if (!tag.empty() && tag != "?" && tag != "!")
      throw Unreadable{here, "tags (!...) are not read in a list (remove it; texts are put in quotes)"};
    if (mark.line != checked_line_) check_indentation(here, mark);
    checked_line_ = mark.line;
    return here;
  }

  /// YAML counts a tab as no indentation, yaml-cpp as one column: either way not what the user sees.
  void check_indentation(Place here, const YAML::Mark& mark) const {
    const std::size_t line = here.offset - static_cast<std::size_t>(mark.column);
    const std::size_t begin = source_.text.find_first_not_of(' ', line);
    if (begin < here.offset && source_.text[begin] == '\t')
      throw Unreadable{{&source_, begin}, "not YAML: " + std::string(no_tab)};
  }

  /// yaml-cpp takes the end of the file for a missing quote. (A block scalar has the same tag and begins with | or >.)
  void check_closed(Place here) const {
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
    throw Unreadable{here, "not YAML: this quote is not closed"};
  }

  /// yaml-cpp gives an empty value the place of what follows it: a map's is told at its key, a list's at its dash.
  Place place_of_nothing(const YAML::Mark& mark) const {
    const Place here = place(mark);
    const std::string_view rest = std::string_view(source_.text).substr(here.offset);
    const bool written = rest.starts_with('~') || rest.starts_with('n') || rest.starts_with('N');
    const TreeNode* parent = tree_.innermost();
    if (written || !parent) return here;
    if (parent->kind == TreeNode::map) return parent->items.empty() ? parent->place : parent->items.back()->place;
    const std::size_t dash = here.offset == 0 ? std::string::npos : source_.text.rfind('-', here.offset - 1);
    return dash == std::string::npos ? here : Place{&source_, dash};
  }

  const Source& source_;
  PiecewiseText& text_;
  Tree& tree_;
  std::unordered_map<YAML::anchor_t, const TreeNode*> anchors_;
  int checked_line_ = -1;
};

/// yaml-cpp's words for mistakes that lists have, and what to do about each. Matched at the beginning.
struct Advice {
  std::string_view theirs, ours;
  bool at_opening = false;  ///< told where the collection began: theirs is the end of the file
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

Unreadable explain(const YAML::Exception& error, const Builder& builder, const Tree& tree) {
  for (const Advice& advice : advices) {
    if (!error.msg.starts_with(advice.theirs)) continue;
    const bool opening = advice.at_opening && tree.innermost();
    return {opening ? tree.innermost()->place : builder.place(error.mark), "not YAML: " + std::string(advice.ours)};
  }
  return {builder.place(error.mark), "not YAML: " + error.msg};
}

}  // namespace

const TreeNode* read_yaml(const Source& source, Tree& tree, Mistakes& mistakes) {
  PiecewiseText text(source);
  Builder builder(source, text, tree);
  try {
    std::istream stream(&text);
    stream.exceptions(std::ios::badbit);  // so that what PiecewiseText throws arrives here
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
    return tree.root();
  } catch (const YAML::Exception& error) {
    const Unreadable mistake = explain(error, builder, tree);
    mistakes.add(mistake.place, mistake.what);
  } catch (const Unreadable& mistake) {
    mistakes.add(mistake.place, mistake.what);
  }
  return nullptr;
}

}  // namespace wf
