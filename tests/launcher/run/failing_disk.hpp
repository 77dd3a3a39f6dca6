// tests/launcher/run/failing_disk.hpp: a disk that fails on demand. A program that links this has its own open(),
// write(), rename() and so on, which all of its libraries call, too: FFmpeg, HDF5, spdlog and the C++ library.
#pragma once

#include <functional>
#include <string>

namespace wf::test {

/// A call that would change something on the disk.
struct DiskStep {
  long number = 0;         ///< from 1
  const char* call = "";   ///< "write"
  std::string path = {};   ///< the file or folder
  bool needs_room = true;  ///< false: it may succeed on a full disk
};

/// Asks `fault` before each step below this folder, by any thread: it returns the errno with which the step fails, or 0
/// to let it happen. For the rest of this process.
void break_disk(const std::string& folder, std::function<int(const DiskStep&)> fault);

}  // namespace wf::test
