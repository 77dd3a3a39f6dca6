// jobs/prompt_file.hpp: the prompts of a .txt, .jsonl or .csv file, each as a map like those of the list itself.
//   .txt    one prompt a line, blanks around it trimmed; empty lines and lines that begin with # are skipped
//   .jsonl  one JSON object a line: {"prompt": "Rain on a window", "seed": 7}; empty lines are skipped
//   .csv    RFC 4180 (commas, "quotes", "" for a quote inside); the first row names the columns; an empty cell is not
//   given
#pragma once

#include <functional>

#include "cluster/files.hpp"
#include "jobs/tree.hpp"

namespace wf {

/// Called with each prompt's map, in order. The map lives until the call returns.
using RowReader = std::function<void(const TreeNode& row)>;

/// Reads the file by its ending. What is wrong with the file itself is noted at `entry`, the place that names it.
void read_prompt_file(const Path& file, Place entry, Mistakes& mistakes, const RowReader& row);

/// The readers behind it, each of a whole text. A line or row that cannot be read is noted and left out.
void read_text_lines(const Source& source, Mistakes& mistakes, const RowReader& row);
void read_json_lines(const Source& source, Mistakes& mistakes, const RowReader& row);
void read_csv_rows(const Source& source, Mistakes& mistakes, const RowReader& row);

}  // namespace wf
