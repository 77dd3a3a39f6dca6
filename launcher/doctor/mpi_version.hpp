// launcher/doctor/mpi_version.hpp: which MPI this program was built with, and which one it runs with.
#pragma once

#include <compare>
#include <string>

#include "launcher/doctor/finding.hpp"

namespace wf {

/// An MPI library and the version of the MPI standard that it implements.
struct MpiVersion {
  std::string library;       ///< "Open MPI v4.1.4"; empty when its header does not name it, as with any other MPI.
  int major = 0, minor = 0;  ///< 3 and 1 for MPI 3.1.
};

/// The MPI whose headers this program was compiled with.
MpiVersion mpi_built_with();

/// The MPI library that this process has loaded. May be called before MPI_Init.
MpiVersion mpi_at_run_time();

/// Missing below MPI 3.1 or Open MPI 4.1, the oldest that wanfarm is tested with; a warning when `built` and `running`
/// are not the same minor release of Open MPI.
Finding mpi_finding(const MpiVersion& built, const MpiVersion& running);

}  // namespace wf
