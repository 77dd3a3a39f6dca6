// jobs/list/prompt_file.hpp: reads prompts from .txt, .jsonl and .csv files, each as a map like those of the list
// itself.
//   .txt    one prompt per line, blanks around it trimmed; empty lines and lines that begin with # are skipped
//   .jsonl  one JSON object per line: {"prompt": "Rain on a window", "seed": 7}; empty lines are skipped
//   .csv    RFC 4180 ("quotes", "" for a quote in a quoted cell) with commas, semicolons or tabs, whichever the first
//           row has; the first row names the columns; an empty cell counts as absent
#pragma once

#include <functional>

#include "base/files.hpp"
#include "jobs/list/tree.hpp"

namespace wf {

/// Called with the map of each prompt, in order. The map lives until the call returns.
using RowReader = std::function<void(const TreeNode& row)>;

/// Reads a file in the format that its ending names. What is wrong with the file as a whole is reported at `entry`, the
/// location in the list that names the file.
void read_prompt_file(const Path& file, Location entry, Diagnostics& diagnostics, const RowReader& row);

/// Readers of one format each, for a whole text. A line or row that cannot be read is reported and skipped.
void read_text_lines(const Source& source, Diagnostics& diagnostics, const RowReader& row);
void read_json_lines(const Source& source, Diagnostics& diagnostics, const RowReader& row);
void read_csv_rows(const Source& source, Diagnostics& diagnostics, const RowReader& row);

}  // namespace wf
