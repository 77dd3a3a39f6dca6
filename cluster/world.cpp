#include "cluster/world.hpp"

#include <mpi.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "base/deadline.hpp"
#include "cluster/mpi_check.hpp"

namespace wf {
namespace {

/// The host name of each rank. Collective.
std::vector<std::string> gather_hosts(int size) {
  using Name = std::array<char, MPI_MAX_PROCESSOR_NAME>;
  Name own{};
  int length = 0;
  WF_MPI(MPI_Get_processor_name(own.data(), &length));
  std::vector<Name> names(static_cast<std::size_t>(size));
  const auto bytes = static_cast<int>(sizeof(Name));
  WF_MPI(MPI_Allgather(own.data(), bytes, MPI_BYTE, names.data(), bytes, MPI_BYTE, MPI_COMM_WORLD));
  std::vector<std::string> hosts;
  for (const Name& name : names) hosts.emplace_back(name.data());
  return hosts;
}

constexpr std::chrono::seconds start_deadline{180};

/// Ends this process: MPI_Init itself would wait for a missing rank for ever.
void exit_unstarted() {
  std::fprintf(stderr, "wanfarm: MPI has not started within %ld s: a rank is missing\n",
               static_cast<long>(start_deadline.count()));
  std::_Exit(exit_code(Error::environment));
}

}  // namespace

NodePlace node_place(const std::vector<std::string>& hosts, int rank) {
  const std::string& own = hosts[static_cast<std::size_t>(rank)];
  const auto count = [&own](auto begin, auto end) { return static_cast<int>(std::count(begin, end, own)); };
  NodePlace place{.nodes = 0,
                  .local_rank = count(hosts.begin(), hosts.begin() + rank),
                  .local_size = count(hosts.begin(), hosts.end())};
  for (auto host = hosts.begin(); host != hosts.end(); ++host) {
    if (std::find(hosts.begin(), host, *host) != host) continue;  // not the first rank of its node
    if (*host == own) place.node = place.nodes;
    ++place.nodes;
  }
  return place;
}

std::string mpi_library() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  MPI_Get_library_version(text.data(), &length);
  const std::string all(text.data());
  return all.substr(0, all.find_first_of(",\n"));  // builder, revision and date follow
}

void require_thread_multiple(int provided) {
  if (provided == MPI_THREAD_MULTIPLE) return;
  const char* const level = provided == MPI_THREAD_SERIALIZED ? "MPI_THREAD_SERIALIZED"
                            : provided == MPI_THREAD_FUNNELED ? "MPI_THREAD_FUNNELED"
                                                              : "MPI_THREAD_SINGLE";
  throw Error(Error::environment,
              mpi_library() + " provides " + level + " only; wanfarm needs an MPI built with MPI_THREAD_MULTIPLE");
}

World::Session::Session() {
  const Deadline deadline(start_deadline, exit_unstarted);
  int provided = 0;
  WF_MPI(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided));
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);  // its handler gets errors that belong to no communicator
  try {
    require_thread_multiple(provided);
  } catch (...) {
    MPI_Finalize();
    throw;
  }
}

World::Session::~Session() {
  if (failed) {
    spdlog::error("a communicator failed: MPI is not finalized, which would wait for all ranks");
    return;
  }
  if (const int code = MPI_Finalize(); code != MPI_SUCCESS) spdlog::error("MPI_Finalize: {}", mpi_error_text(code));
}

World::World() {
  int size = 0;
  WF_MPI(MPI_Comm_rank(MPI_COMM_WORLD, &rank_));
  WF_MPI(MPI_Comm_size(MPI_COMM_WORLD, &size));
  hosts_ = gather_hosts(size);
  place_ = node_place(hosts_, rank_);
}

void World::abort(int exit_code) {
  MPI_Abort(MPI_COMM_WORLD, exit_code);
  std::_Exit(exit_code);
}

}  // namespace wf
