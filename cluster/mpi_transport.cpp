#include "parallel/mpi_mail.hpp"

#include <algorithm>
#include <list>
#include <mutex>
#include <numeric>
#include <set>
#include <thread>
#include <utility>

#include "parallel/mpi_check.hpp"
#include "parallel/mpi_messages.hpp"

namespace wf {
namespace {

constexpr int letter_tag = 3;
constexpr std::size_t long_letter = 64 << 10;  ///< MPI moves it in pieces, some with each call

/// A letter on its way. Stays where it is in memory until MPI is done with it.
struct UnderWay {
  int peer = 0;
  Bytes bytes;
  MPI_Request request = MPI_REQUEST_NULL;
};

bool is_complete(UnderWay& letter) {
  int done = 0;
  WF_MPI(MPI_Test(&letter.request, &done, MPI_STATUS_IGNORE));
  return done != 0;
}

class MpiMail final : public Mail {
 public:
  MpiMail(MPI_Comm parent, const std::vector<int>& members, const MpiWaiting& waiting)
      : link_(parent, members, waiting) {}
  ~MpiMail() override {
    if (flush(std::chrono::milliseconds(0)) && arriving_.empty()) return;
    link_.broken = true;
    if (link_.waiting.failed) *link_.waiting.failed = true;
    new std::list<UnderWay>(std::move(leaving_));  // MPI may still look at them
    new std::list<UnderWay>(std::move(arriving_));
  }

  int rank() const override { return link_.rank; }
  int size() const override { return link_.size; }

  void send(int to, Bytes bytes) override {
    const std::lock_guard lock(leaving_mutex_);
    UnderWay& letter = leaving_.emplace_back(UnderWay{to, std::move(bytes)});
    WF_MPI(MPI_Isend(letter.bytes.data(), static_cast<int>(letter.bytes.size()), MPI_BYTE, to, letter_tag, link_.comm,
                     &letter.request));
  }

  std::optional<Letter> receive() override {
    forget_what_has_left();
    while (begin_arrival()) {
    }
    std::set<int> behind;  // senders whose earlier letter is still arriving
    for (auto letter = arriving_.begin(); letter != arriving_.end(); ++letter) {
      if (behind.contains(letter->peer)) continue;
      if (is_complete(*letter)) {
        Letter complete{letter->peer, std::move(letter->bytes)};
        arriving_.erase(letter);
        return complete;
      }
      behind.insert(letter->peer);
    }
    return std::nullopt;
  }

  bool is_carrying() const override {
    const auto is_long = [](const UnderWay& letter) { return letter.bytes.size() >= long_letter; };
    if (std::any_of(arriving_.begin(), arriving_.end(), is_long)) return true;
    const std::lock_guard lock(leaving_mutex_);
    return std::any_of(leaving_.begin(), leaving_.end(), is_long);
  }

  bool flush(std::chrono::milliseconds deadline) override {
    const auto end = std::chrono::steady_clock::now() + deadline;
    while (!forget_what_has_left()) {
      if (std::chrono::steady_clock::now() >= end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
  }

 private:
  /// True when nothing is left to leave.
  bool forget_what_has_left() {
    const std::lock_guard lock(leaving_mutex_);
    std::erase_if(leaving_, is_complete);
    return leaving_.empty();
  }

  /// Makes room for the next letter that was announced, if there is one.
  bool begin_arrival() {
    int there = 0, bytes = 0;
    MPI_Message message = MPI_MESSAGE_NULL;
    MPI_Status status;
    WF_MPI(MPI_Improbe(MPI_ANY_SOURCE, letter_tag, link_.comm, &there, &message, &status));
    if (!there) return false;
    WF_MPI(MPI_Get_count(&status, MPI_BYTE, &bytes));
    UnderWay& letter = arriving_.emplace_back(UnderWay{status.MPI_SOURCE, Bytes(static_cast<std::size_t>(bytes))});
    WF_MPI(MPI_Imrecv(letter.bytes.data(), bytes, MPI_BYTE, &message, &letter.request));
    return true;
  }

  MpiLink link_;
  mutable std::mutex leaving_mutex_;
  std::list<UnderWay> leaving_, arriving_;
};

}  // namespace

std::unique_ptr<Mail> mpi_mail(MPI_Comm parent, const MpiWaiting& waiting) {
  int size = 0;
  WF_MPI(MPI_Comm_size(parent, &size));
  std::vector<int> members(static_cast<std::size_t>(size));
  std::iota(members.begin(), members.end(), 0);
  return std::make_unique<MpiMail>(parent, members, waiting);
}

}  // namespace wf
