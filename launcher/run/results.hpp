// launcher/results.hpp: what a run says about its clips: the JSON lines of --json, and the summary.
#pragma once

#include <cstddef>
#include <string>

#include "cluster/error.hpp"
#include "jobs/sidecar.hpp"

namespace wf {

struct Summary {
  std::size_t done = 0, skipped = 0, failed = 0, left = 0;  ///< skipped: found finished
  double seconds = 0;
};

/// 0 all done, 1 some failed, 75 stopped with work left.
int exit_code(const Summary& summary);

/// One line each, without a newline at the end.
std::string done_line(const Sidecar& sidecar);
std::string skipped_line(const Sidecar& sidecar);
std::string failed_line(const Job& job, const Error& error);
std::string summary_line(const Summary& summary);

}  // namespace wf
