// jobs/record/joblog.hpp: a log of attempts in the columns of GNU parallel's --joblog, for tools that read those.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/files.hpp"

namespace wf {

/// An attempt at a clip that has ended.
struct JoblogEntry {
  std::size_t seq = 1;  ///< Number of the clip in the run, from 1.
  std::string host;     ///< Node of the rank that had the clip last.
  double began = 0;     ///< Unix time in seconds.
  double seconds = 0;
  std::uint64_t received = 0;  ///< Bytes of the video; 0: there is none.
  int exit_code = 0;
  std::string command;
};

/// Seq, Host, Starttime, JobRuntime, Send (0), Receive, Exitval, Signal (0) and Command, between tabs, with a newline.
/// Tabs and line ends in texts become blanks.
std::string joblog_line(const JoblogEntry& entry);

class Joblog {
 public:
  /// Opens the file for more lines. A file that is new gets the head line; a last line that a kill cut short is ended.
  /// Throws Error(storage).
  explicit Joblog(const Path& file);
  /// Throws Error(storage).
  void add(const JoblogEntry& entry) { file_.append(joblog_line(entry)); }

 private:
  AppendFile file_;
};

}  // namespace wf
