#include "cluster/world.hpp"

#include <mpi.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <type_traits>

#include "base/deadline.hpp"
#include "base/machine.hpp"
#include "cluster/mpi_check.hpp"

namespace wf {
namespace {

/// The value of each rank, in rank order. Collective.
template <class Value>
std::vector<Value> gather(const Value& own, int size) {
  static_assert(std::is_trivially_copyable_v<Value>);
  std::vector<Value> all(static_cast<std::size_t>(size));
  const auto bytes = static_cast<int>(sizeof(Value));
  WF_MPI(MPI_Allgather(&own, bytes, MPI_BYTE, all.data(), bytes, MPI_BYTE, MPI_COMM_WORLD));
  return all;
}

/// The text of each rank; "" where it has 256 bytes or more. Collective.
std::vector<std::string> gather_texts(const std::string& own, int size) {
  std::array<char, 256> bytes{};
  if (own.size() < bytes.size()) std::ranges::copy(own, bytes.begin());
  std::vector<std::string> texts;
  for (const auto& text : gather(bytes, size)) texts.emplace_back(text.data());
  return texts;
}

std::string processor_name() {
  std::array<char, MPI_MAX_PROCESSOR_NAME> name{};
  int length = 0;
  WF_MPI(MPI_Get_processor_name(name.data(), &length));
  return name.data();
}

/// The lowest rank of those that MPI could let share memory with this one. Collective.
int first_rank_of_node(int rank) {
  MPI_Comm here = MPI_COMM_NULL;
  WF_MPI(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &here));
  int first = rank;
  WF_MPI(MPI_Bcast(&first, 1, MPI_INT, 0, here));
  WF_MPI(MPI_Comm_free(&here));
  return first;
}

/// The file system at /dev/shm, as a number that no other one of this machine has.
std::uint64_t shared_memory() {
  struct stat status {};
  return ::stat("/dev/shm", &status) == 0 ? status.st_dev : 0;
}

constexpr std::chrono::seconds start_deadline{180};

/// Ends this process: MPI_Init itself would wait for a missing rank for ever.
void exit_unstarted() {
  std::fprintf(stderr, "wanfarm: MPI has not started within %ld s: a rank is missing\n",
               static_cast<long>(start_deadline.count()));
  std::_Exit(exit_code(Error::environment));
}

}  // namespace

NodePlace node_place(const std::vector<std::string>& nodes, int rank) {
  const std::string& own = nodes[static_cast<std::size_t>(rank)];
  const auto count = [&own](auto begin, auto end) { return static_cast<int>(std::count(begin, end, own)); };
  NodePlace place{.nodes = 0,
                  .local_rank = count(nodes.begin(), nodes.begin() + rank),
                  .local_size = count(nodes.begin(), nodes.end())};
  for (auto node = nodes.begin(); node != nodes.end(); ++node) {
    if (std::find(nodes.begin(), node, *node) != node) continue;  // not the first rank of its node
    if (*node == own) place.node = place.nodes;
    ++place.nodes;
  }
  return place;
}

std::vector<std::string> node_names(const std::vector<NodeKey>& keys, const std::vector<std::string>& hosts) {
  std::vector<std::string> names;
  std::map<std::string, int> nodes_of_name;
  for (std::size_t rank = 0; rank < keys.size(); ++rank) {
    const auto first = static_cast<std::size_t>(std::find(keys.begin(), keys.end(), keys[rank]) - keys.begin());
    if (first < rank) {
      names.push_back(names[first]);
      continue;
    }
    const int number = ++nodes_of_name[hosts[rank]];
    names.push_back(number == 1 ? hosts[rank] : hosts[rank] + "#" + std::to_string(number));
  }
  return names;
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
  hosts_ = node_names(gather(NodeKey{first_rank_of_node(rank_), shared_memory()}, size),
                      gather_texts(processor_name(), size));
  processes_ = gather_texts(process_identity(), size);
  place_ = node_place(hosts_, rank_);
}

void World::abort(int exit_code) {
  MPI_Abort(MPI_COMM_WORLD, exit_code);
  std::_Exit(exit_code);
}

}  // namespace wf
