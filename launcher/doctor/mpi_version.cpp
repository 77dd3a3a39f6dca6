#include "launcher/doctor/mpi_version.hpp"

#include <mpi.h>
#include <spdlog/fmt/fmt.h>

#include <cstdio>
#include <optional>
#include <utility>

#include "cluster/world.hpp"

namespace wf {
namespace {

#ifdef OMPI_MAJOR_VERSION
const std::string library_of_header =
    fmt::format("Open MPI v{}.{}.{}", OMPI_MAJOR_VERSION, OMPI_MINOR_VERSION, OMPI_RELEASE_VERSION);
#else
const std::string library_of_header;
#endif

using Release = std::pair<int, int>;  ///< major, minor

std::optional<Release> open_mpi_release(const std::string& library) {
  Release release;
  const bool is_open_mpi = std::sscanf(library.c_str(), "Open MPI v%d.%d", &release.first, &release.second) == 2;
  return is_open_mpi ? std::optional(release) : std::nullopt;
}

}  // namespace

MpiVersion mpi_built_with() { return {library_of_header, MPI_VERSION, MPI_SUBVERSION}; }

MpiVersion mpi_at_run_time() {
  MpiVersion version{.library = mpi_library()};
  MPI_Get_version(&version.major, &version.minor);
  return version;
}

Finding mpi_finding(const MpiVersion& built, const MpiVersion& running) {
  const std::string text = fmt::format("{}, MPI {}.{}", running.library, running.major, running.minor);
  const auto release = open_mpi_release(running.library), release_of_build = open_mpi_release(built.library);
  if (release && *release < Release{4, 1})
    return {Finding::missing, "MPI",
            text + "; too old: install Open MPI 4.1 or newer, or load its module, and build with it"};
  if (Release{running.major, running.minor} < Release{3, 1})
    return {Finding::missing, "MPI", text + "; too old: wanfarm needs MPI 3.1"};
  if (release_of_build && release != release_of_build)
    return {Finding::warn, "MPI",
            text + fmt::format("; built with {}: load that module, or build with this MPI", built.library)};
  return {Finding::ok, "MPI", text};
}

}  // namespace wf
