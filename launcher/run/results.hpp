// launcher/run/results.hpp: the JSON lines of --json, one a clip, and the summary of a run.
#pragma once

#include <cstddef>
#include <string>

#include "base/error.hpp"
#include "jobs/output/sidecar.hpp"

namespace wf {

struct Summary {
  std::size_t done = 0;     ///< rendered by this run
  std::size_t skipped = 0;  ///< found finished
  std::size_t failed = 0;   ///< failed for good
  std::size_t left = 0;     ///< neither of these: the run was stopped
  double seconds = 0;       ///< wall time of the run
};

/// The exit code of a run: 0 all done, 1 some clips failed, 75 stopped with work left.
int exit_code(const Summary& summary);

// Each is one line without a newline at its end.
std::string done_line(const Sidecar& sidecar);
std::string skipped_line(const Sidecar& sidecar);
std::string failed_line(const Job& job, const Error& error);
std::string summary_line(const Summary& summary);

}  // namespace wf
