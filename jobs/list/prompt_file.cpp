#include "jobs/prompt_file.hpp"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>

#include "cluster/error.hpp"
#include "jobs/utf8.hpp"

namespace wf {
namespace {

constexpr std::uintmax_t most_bytes = std::uintmax_t{1} << 30;

using Reader = void (*)(const Source&, Mistakes&, const RowReader&);

Reader reader_for(const Path& file) {
  const std::string ending = file.extension().string();
  if (ending == ".txt") return read_text_lines;
  if (ending == ".jsonl") return read_json_lines;
  if (ending == ".csv") return read_csv_rows;
  throw Error(Error::input, "file must end in .txt, .jsonl or .csv, got " + in_quotes(file.string(), 200));
}

/// Checked before opening: a pipe or a device would block or never end.
std::string checked_content(const Path& file) {
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  if (!std::filesystem::exists(status))
    throw Error(Error::input, "no such file: " + in_quotes(file.string(), 200) + " (relative to the list)");
  if (!std::filesystem::is_regular_file(status))
    throw Error(Error::input, in_quotes(file.string(), 200) + " is not a file");
  if (std::filesystem::file_size(file) > most_bytes)
    throw Error(Error::input, in_quotes(file.string(), 200) + " is larger than 1 GiB");
  return read_file(file);
}

}  // namespace

void read_prompt_file(const Path& file, Place entry, Mistakes& mistakes, const RowReader& row) {
  try {
    const Reader read = reader_for(file);
    const Source* source = mistakes.open(file.string(), checked_content(file));
    if (!source) return;
    std::size_t rows = 0;
    const std::size_t before = mistakes.count();
    read(*source, mistakes, [&](const TreeNode& map) { ++rows, row(map); });
    if (rows == 0 && mistakes.count() == before) mistakes.add(entry, "no prompts in " + in_quotes(file.string(), 200));
  } catch (const std::exception& error) {
    mistakes.add(entry, error.what());
  }
}

void read_text_lines(const Source& source, Mistakes&, const RowReader& row) {
  Tree tree;
  const std::string_view text = source.text;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    const std::size_t first = line.find_first_not_of(" \t");
    if (first != std::string_view::npos && line[first] != '#') {
      const Place place{&source, begin + first};
      tree.clear();
      const TreeNode* map = tree.open(TreeNode::map, place);
      tree.leaf(TreeNode::text, "prompt", place);
      tree.leaf(TreeNode::text, std::string(line.substr(first, line.find_last_not_of(" \t") + 1 - first)), place);
      row(*map);
    }
    begin = end + 1;
  }
}

}  // namespace wf
