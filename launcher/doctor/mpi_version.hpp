// launcher/doctor/mpi_version.hpp: which MPI this program was built with, and which it runs with.
#pragma once

#include <compare>
#include <string>

#include "launcher/doctor/finding.hpp"

namespace wf {

struct MpiVersion {
  std::string library;       ///< "Open MPI v4.1.4"; empty: another one, whose header does not say
  int major = 0, minor = 0;  ///< of the standard: 3 and 1
};
MpiVersion mpi_built_with();
/// Needs no World.
MpiVersion mpi_at_run_time();

/// Wanted: MPI 3.1, of Open MPI 4.1 (the oldest that wanfarm is tested with), and one version at both times.
Finding mpi_finding(const MpiVersion& built, const MpiVersion& running);

}  // namespace wf
