#include "cluster/mpi_link.hpp"

#include <spdlog/spdlog.h>

#include <numeric>

#include "cluster/mpi_check.hpp"

namespace wf {
namespace {

constexpr int group_tag = 1;

/// An owned MPI_Group.
struct Group {
  Group() = default;
  ~Group() {
    if (handle != MPI_GROUP_NULL) MPI_Group_free(&handle);
  }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
  MPI_Group handle = MPI_GROUP_NULL;
};

std::vector<int> ranks_in_world(MPI_Comm comm, int size) {
  Group own, world;
  WF_MPI(MPI_Comm_group(comm, &own.handle));
  WF_MPI(MPI_Comm_group(MPI_COMM_WORLD, &world.handle));
  std::vector<int> ranks(static_cast<std::size_t>(size)), translated(ranks.size());
  std::iota(ranks.begin(), ranks.end(), 0);
  WF_MPI(MPI_Group_translate_ranks(own.handle, size, ranks.data(), world.handle, translated.data()));
  return translated;
}

}  // namespace

MpiLink::MpiLink(MPI_Comm parent, const std::vector<int>& members, const Waiting& how_to_wait)
    : size(static_cast<int>(members.size())), waiting(how_to_wait) {
  Group all, chosen;
  WF_MPI(MPI_Comm_group(parent, &all.handle));
  WF_MPI(MPI_Group_incl(all.handle, size, members.data(), &chosen.handle));
  WF_MPI(MPI_Comm_create_group(parent, chosen.handle, group_tag, &comm));
  WF_MPI(MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN));
  WF_MPI(MPI_Comm_rank(comm, &rank));
  world_ranks = ranks_in_world(comm, size);
}

MpiLink::~MpiLink() {
  if (broken) return;
  if (const int code = MPI_Comm_free(&comm); code != MPI_SUCCESS)
    spdlog::error("MPI_Comm_free: {}", mpi_error_text(code));
}

void MpiLink::give_up() {
  broken = true;
  if (waiting.failed) *waiting.failed = true;
}

std::vector<int> all_ranks_of(MPI_Comm comm) {
  int size = 0;
  WF_MPI(MPI_Comm_size(comm, &size));
  std::vector<int> members(static_cast<std::size_t>(size));
  std::iota(members.begin(), members.end(), 0);
  return members;
}

}  // namespace wf
