// tests/launcher/file_operations.hpp: what the program does with the files of a folder, as the kernel sees it (ptrace),
// whichever library does it.
#pragma once

#include <string>
#include <vector>

#include "tests/launcher/program.hpp"

namespace wf {

/// A system call with the name of a file, or one that flushes or lists an open one. What reads, writes, examines or
/// closes an open file is none: a node of a cluster often does that without asking the server of the disk.
struct FileOperation {
  std::string what;  ///< open, create, examine, rename, remove, flush, list, or "make" for folders and links
  std::string path;  ///< from the root; of a rename the old one
};

struct TracedProgram {
  int code = -1;  ///< as in ProgramResult
  std::string err = {};
  double seconds = 0;
  std::vector<FileOperation> operations = {};  ///< of all its processes and threads, below `watched`
};

/// Runs the program in this folder. environment: "NAME=value", added.
TracedProgram trace_program(const Path& folder, const std::vector<std::string>& arguments, const Path& watched,
                            const std::vector<std::string>& environment = {});

}  // namespace wf
