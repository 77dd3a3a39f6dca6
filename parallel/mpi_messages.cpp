#include "parallel/mpi_messages.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "base/trace.hpp"
#include "cluster/mpi_check.hpp"
#include "cluster/waiting.hpp"

namespace wf {
namespace {

constexpr int message_tag = 2;

/// Calls use(chunk) for consecutive chunks of at most `most` bytes.
template <class Byte, class Use>
void in_chunks(std::span<Byte> bytes, std::size_t most, const Use& use) {
  for (std::size_t begin = 0; begin < bytes.size(); begin += most)
    use(bytes.subspan(begin, std::min(most, bytes.size() - begin)));
}

template <class Byte>
int length(std::span<Byte> chunk) {
  return static_cast<int>(chunk.size());
}

}  // namespace

MpiMessages::~MpiMessages() {
  if (!complete_ && !requests_.empty()) new std::vector<at::Tensor>(std::move(kept_));  // MPI may still write there
}

MpiMessages::MpiMessages(std::shared_ptr<MpiLink> link, std::size_t longest, std::string call)
    : link_(std::move(link)), longest_(longest), call_(std::move(call)) {
  if (link_->broken) give_up("cannot begin: these ranks have failed before");
}

void MpiMessages::keep(const at::Tensor& tensor) {
  const bool owns_its_memory = tensor.storage().data_ptr().get_context() != nullptr;
  WF_CHECK(owns_its_memory || tensor.numel() == 0);
  kept_.push_back(tensor);
}

MPI_Request* MpiMessages::add(Message message) {
  messages_.push_back(message);
  requests_.push_back(MPI_REQUEST_NULL);
  return &requests_.back();
}

void MpiMessages::send(std::span<const std::byte> bytes, int to) {
  in_chunks(bytes, longest_, [&](auto chunk) {
    MPI_Request* const request = add({to});
    check(MPI_Isend(chunk.data(), length(chunk), MPI_BYTE, to, message_tag, link_->comm, request), "MPI_Isend");
  });
}

void MpiMessages::receive(std::span<std::byte> bytes, int from) {
  in_chunks(bytes, longest_, [&](auto chunk) {
    MPI_Request* const request = add({from, length(chunk)});
    check(MPI_Irecv(chunk.data(), length(chunk), MPI_BYTE, from, message_tag, link_->comm, request), "MPI_Irecv");
  });
}

void MpiMessages::broadcast(std::span<std::byte> bytes, int root) {
  in_chunks(bytes, longest_, [&](auto chunk) {
    MPI_Request* const request = add({all_others});
    check(MPI_Ibcast(chunk.data(), length(chunk), MPI_BYTE, root, link_->comm, request), "MPI_Ibcast");
  });
}

void MpiMessages::barrier() { check(MPI_Ibarrier(link_->comm, add({all_others})), "MPI_Ibarrier"); }

void MpiMessages::wait() {
  const trace::Span span("communication", call_);
  const auto why = wait_until(
      link_->waiting, [&] { return test(); }, [&] { return missing_peers(); });
  if (why) give_up(*why);
  complete_ = true;
}

/// Makes progress; returns true when all messages are complete.
bool MpiMessages::test() {
  if (link_->broken) give_up("stops waiting: these ranks have failed before");
  std::vector<int> which(requests_.size());
  std::vector<MPI_Status> statuses(requests_.size());
  int done = 0;
  const int code =
      MPI_Testsome(static_cast<int>(requests_.size()), requests_.data(), &done, which.data(), statuses.data());
  if (code != MPI_ERR_IN_STATUS) check(code, "MPI_Testsome");
  if (done == MPI_UNDEFINED) return true;
  for (std::size_t i = 0; i < static_cast<std::size_t>(done); ++i)
    check_complete(statuses[i], messages_[static_cast<std::size_t>(which[i])], code == MPI_ERR_IN_STATUS);
  return false;
}

/// Checks a complete message. has_code: whether the status holds an error code of its own, which MPI sets only when one
/// of the tested requests has failed.
void MpiMessages::check_complete(const MPI_Status& status, const Message& message, bool has_code) {
  if (has_code && status.MPI_ERROR != MPI_SUCCESS)
    give_up("failed with " + (message.peer == all_others ? "the others" : "rank " + name(message.peer)) + ": " +
            mpi_error_text(status.MPI_ERROR));
  if (message.expected_bytes == 0) return;
  int received = 0;
  check(MPI_Get_count(&status, MPI_BYTE, &received), "MPI_Get_count");
  if (received != message.expected_bytes)
    give_up(
        fmt::format("got {} bytes from rank {} instead of {}", received, name(message.peer), message.expected_bytes));
}

std::string MpiMessages::name(int rank) const {
  return std::to_string(link_->world_ranks[static_cast<std::size_t>(rank)]);
}

/// The peers whose messages are not complete, as ranks in MPI_COMM_WORLD.
std::set<int> MpiMessages::missing_peers() const {
  std::set<int> missing;
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    if (requests_[i] == MPI_REQUEST_NULL) continue;
    for (int rank = 0; rank < link_->size; ++rank) {
      if (rank == messages_[i].peer || (messages_[i].peer == all_others && rank != link_->rank))
        missing.insert(link_->world_ranks[static_cast<std::size_t>(rank)]);
    }
  }
  return missing;
}

void MpiMessages::check(int code, const char* function) {
  if (code != MPI_SUCCESS) give_up(std::string(function) + " failed: " + mpi_error_text(code));
}

void MpiMessages::give_up(const std::string& why) {
  link_->give_up();
  throw Error(Error::resource, call_ + ": rank " + name(link_->rank) + " " + why);
}

}  // namespace wf
