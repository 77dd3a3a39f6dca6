// parallel/mpi_check.hpp: MPI's return codes as Errors. Only for files that speak MPI.
#pragma once

#include <mpi.h>

#include <array>
#include <string>
#include <string_view>

#include "cluster/error.hpp"

namespace wf {

/// "MPI_ERR_TRUNCATE: message truncated": the library's own words for a code.
inline std::string mpi_words(int code) {
  std::array<char, MPI_MAX_ERROR_STRING> words{};
  int length = 0;
  MPI_Error_string(code, words.data(), &length);
  return {words.data(), static_cast<std::size_t>(length)};
}

/// Throws resource, naming the MPI function, unless the code is MPI_SUCCESS.
inline void check_mpi(int code, std::string_view call) {
  if (code == MPI_SUCCESS) return;
  throw Error(Error::resource, std::string(call.substr(0, call.find('('))) + ": " + mpi_words(code));
}

}  // namespace wf

#define WF_MPI(call) ::wf::check_mpi((call), #call)
