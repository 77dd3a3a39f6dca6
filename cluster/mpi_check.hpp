// cluster/mpi_check.hpp: MPI return codes as Errors. Only for files that include <mpi.h> anyway.
#pragma once

#include <mpi.h>

#include <array>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace wf {

/// The MPI library's own text for a return code, "MPI_ERR_TRUNCATE: message truncated".
inline std::string mpi_error_text(int code) {
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  return {text.data(), static_cast<std::size_t>(length)};
}

/// Throws Error(resource) that names the MPI function, unless the code is MPI_SUCCESS.
inline void check_mpi(int code, std::string_view call) {
  if (code == MPI_SUCCESS) return;
  throw Error(Error::resource, std::string(call.substr(0, call.find('('))) + ": " + mpi_error_text(code));
}

}  // namespace wf

#define WF_MPI(call) ::wf::check_mpi((call), #call)
