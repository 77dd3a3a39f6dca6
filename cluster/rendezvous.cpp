#include "cluster/rendezvous.hpp"

#include <spdlog/fmt/fmt.h>

#include "cluster/waiting.hpp"

namespace wf {
namespace {

/// Small messages leave at once, also towards a rank that hangs. The bound is there so that no send can hang.
constexpr auto send_deadline = std::chrono::seconds(60);

}  // namespace

Rendezvous::Rendezvous(Transport& transport) : transport_(transport) {}

void Rendezvous::receive_what_came() {
  while (auto packet = transport_.receive()) received_[packet->from].push_back(std::move(packet->bytes));
}

std::set<int> Rendezvous::silent() const {
  std::set<int> ranks;
  for (int rank = 1; rank < size(); ++rank)
    if (const auto found = received_.find(rank); found == received_.end() || found->second.empty()) ranks.insert(rank);
  return ranks;
}

std::set<int> Rendezvous::wait_for_all(std::chrono::milliseconds deadline) {
  const auto all_have_reported = [&] {
    receive_what_came();
    return silent().empty();
  };
  wait_until({.deadline = deadline}, all_have_reported, [&] { return silent(); });
  return silent();
}

std::map<int, Bytes> Rendezvous::take_next_of_each() {
  std::map<int, Bytes> next;
  for (auto& [rank, messages] : received_) {
    if (messages.empty()) continue;
    next[rank] = std::move(messages.front());
    messages.pop_front();
  }
  return next;
}

void Rendezvous::send_to_others(const Bytes& bytes) {
  for (int rank = 1; rank < size(); ++rank) transport_.send(rank, bytes);
  transport_.flush(send_deadline);
}

void Rendezvous::send_bytes_to_root(Bytes bytes) {
  transport_.send(0, std::move(bytes));
  transport_.flush(send_deadline);
}

std::optional<Bytes> Rendezvous::next_of_root(std::chrono::milliseconds deadline) {
  std::deque<Bytes>& messages = received_[0];
  const auto has_come = [&] {
    receive_what_came();
    return !messages.empty();
  };
  wait_until({.deadline = deadline}, has_come, [] { return std::set<int>{0}; });
  if (messages.empty()) return std::nullopt;
  Bytes next = std::move(messages.front());
  messages.pop_front();
  return next;
}

void Rendezvous::throw_missing(const std::set<int>& ranks, std::chrono::milliseconds waited) {
  throw Error(Error::resource, fmt::format("waited {:.1f} s in vain for {}",
                                           std::chrono::duration<double>(waited).count(), name_ranks(ranks)));
}

}  // namespace wf
