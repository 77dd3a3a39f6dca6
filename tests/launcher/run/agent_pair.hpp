// tests/launcher/pair_mail.hpp: two couriers in one process, and what they write to each other.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "launcher/farm/courier.hpp"

namespace wf {

struct Post {
  std::mutex mutex;
  std::deque<Letter> letters;
  std::atomic<int> pieces = 0;  ///< of parked clips, that were ever put here
};

/// Between two ranks of this process.
class PairMail final : public Mail {
 public:
  PairMail(int rank, Post* posts) : rank_(rank), posts_(posts) {}
  int rank() const override { return rank_; }
  int size() const override { return 2; }
  void send(int to, Bytes bytes) override {
    const std::lock_guard lock(posts_[to].mutex);
    posts_[to].pieces += std::holds_alternative<letter::Piece>(to_message(bytes));
    posts_[to].letters.push_back({rank_, std::move(bytes)});
  }
  std::optional<Letter> receive() override {
    const std::lock_guard lock(posts_[rank_].mutex);
    if (posts_[rank_].letters.empty()) return std::nullopt;
    Letter letter = std::move(posts_[rank_].letters.front());
    posts_[rank_].letters.pop_front();
    return letter;
  }
  bool is_carrying() const override { return false; }
  bool flush(std::chrono::milliseconds) override { return true; }

 private:
  int rank_;
  Post* posts_;
};

constexpr std::size_t piece_bytes = 1000;

struct Pair {
  explicit Pair(double silence = 8, std::chrono::milliseconds beat = std::chrono::milliseconds(20),
                std::chrono::milliseconds patience = std::chrono::seconds(5)) {
    for (int i = 0; i < 2; ++i) {
      mails[i] = std::make_unique<PairMail>(i, posts);
      couriers[i] =
          std::make_unique<Courier>(*mails[i], CourierOptions{.hosts = {"one", "two"},
                                                              .beat = beat,
                                                              .silence = silence,
                                                              .end_process = [this, i](int code) { ended[i] = code; },
                                                              .piece = piece_bytes,
                                                              .patience = patience});
    }
  }
  Post posts[2];
  std::unique_ptr<Mail> mails[2];
  std::atomic<int> ended[2] = {-1, -1};  ///< exit codes of the processes that would have ended
  std::unique_ptr<Courier> couriers[2];
};

template <class Condition>
bool comes_true(const Condition& condition) {
  for (int i = 0; i < 5000 && !condition(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return condition();
}

}  // namespace wf
