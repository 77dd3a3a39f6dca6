#include "jobs/list/prompt_file.hpp"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/error.hpp"
#include "jobs/list/utf8.hpp"

namespace wf {
namespace {

constexpr std::uintmax_t max_bytes = std::uintmax_t{1} << 30;

using Reader = void (*)(const Source&, Diagnostics&, const RowReader&);

Reader reader_for(const Path& file) {
  const std::string ending = file.extension().string();
  if (ending == ".txt") return read_text_lines;
  if (ending == ".jsonl") return read_json_lines;
  if (ending == ".csv") return read_csv_rows;
  throw Error(Error::input, "file must end in .txt, .jsonl or .csv, got " + in_quotes(file.string(), 200));
}

/// The content of a regular file. Anything else is refused before it is opened: a pipe or a device could block or
/// never end.
std::string checked_content(const Path& file) {
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  if (!std::filesystem::exists(status))
    throw Error(Error::input, "no such file: " + in_quotes(file.string(), 200) + " (relative to the list)");
  if (!std::filesystem::is_regular_file(status))
    throw Error(Error::input, in_quotes(file.string(), 200) + " is not a file");
  if (std::filesystem::file_size(file) > max_bytes)
    throw Error(Error::input, in_quotes(file.string(), 200) + " is larger than 1 GiB");
  return read_file(file);
}

}  // namespace

void read_prompt_file(const Path& file, Location entry, Diagnostics& diagnostics, const RowReader& row) {
  try {
    const Reader read = reader_for(file);
    const Source* source = diagnostics.open(file.string(), checked_content(file));
    if (!source) return;
    std::size_t rows = 0;
    const std::size_t before = diagnostics.count();
    read(*source, diagnostics, [&](const TreeNode& map) { ++rows, row(map); });
    if (rows == 0 && diagnostics.count() == before)
      diagnostics.add(entry, "no prompts in " + in_quotes(file.string(), 200));
  } catch (const std::exception& error) {
    diagnostics.add(entry, error.what());
  }
}

void read_text_lines(const Source& source, Diagnostics&, const RowReader& row) {
  Tree tree;
  const std::string_view text = source.text;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    const std::size_t first = line.find_first_not_of(" \t");
    if (first != std::string_view::npos && line[first] != '#') {
      const Location location{&source, begin + first};
      tree.clear();
      const TreeNode* map = tree.open(TreeNode::map, location);
      tree.leaf(TreeNode::text, "prompt", location);
      tree.leaf(TreeNode::text, std::string(line.substr(first, line.find_last_not_of(" \t") + 1 - first)), location);
      row(*map);
    }
    begin = end + 1;
  }
}

}  // namespace wf
