// launcher/farm/lending.hpp: experts that ranks of one machine copy from each other's GPUs: who asks whom, and until
// when what is lent has to stay.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "launcher/farm/letters.hpp"
#include "parallel/lender.hpp"

namespace wf {

/// Both sides of it, on every rank. The courier's thread answers while another one computes, or itself waits for an
/// answer, so that ranks may ask each other at once.
class Lending {
 public:
  using Send = std::function<void(int to, const Message&)>;
  using Lend = std::function<Lent(Role)>;

  /// patience: how long an answer may take.
  Lending(Send send, std::chrono::milliseconds patience) : send_(std::move(send)), patience_(patience) {}

  // For the courier's thread.
  void answer(int from, const letter::WantWeights& want);
  void hear(letter::Weights answer);
  void end(int from) { leases_.erase(from); }

  // For the thread that computes.
  /// What others may have; empty: nothing from now on, and no call is in progress any more.
  void lend_by(Lend lend);
  /// What that rank lends, until the lease is let go; nothing also when there is no answer in time.
  Lent borrow(int lender, Role role);

 private:
  const Send send_;
  const std::chrono::milliseconds patience_;
  std::map<int, std::shared_ptr<const void>> leases_;  ///< by borrower, until it says that it is done
  std::mutex lend_mutex_;
  Lend lend_;
  std::mutex mutex_;  ///< of all below
  std::condition_variable answered_;
  std::uint64_t number_ = 0;  ///< of this rank's last question: answers to earlier ones may still come
  std::optional<Bytes> answer_;
};

}  // namespace wf
