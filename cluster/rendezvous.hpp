// cluster/rendezvous.hpp: ranks that meet before a run or without one: each reports to rank 0, and rank 0 answers all.
// A run's own handshake (launcher/run/handshake.hpp) goes through its RankAgent instead, because ranks have to keep
// sending heartbeats while one of them reads a checkpoint for minutes.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "cluster/transport.hpp"

namespace wf {

/// What ranks reported to rank 0 in one round, and which of them did not in time.
template <class Value>
struct Reports {
  std::map<int, Value> by_rank;  ///< rank 0's own report included
  std::set<int> missing;
};

/// Rounds of small messages between rank 0 and all other ranks. Every call returns at its deadline at the latest, so a
/// lost rank is noticed and named instead of waited for. After a round with a missing rank the ranks are out of step:
/// what is left to do is to end. Values travel as MessagePack and need to_json() and from_json() of nlohmann::json.
///
/// Only one thread per rank may use a Rendezvous, and nothing else may receive from its transport meanwhile. Every
/// template below throws Error(resource) when MPI fails, and Error(internal), naming the sender, when a message does
/// not hold a `Value`.
class Rendezvous {
 public:
  /// The transport has to outlive the rendezvous. Sends nothing and waits for nobody.
  explicit Rendezvous(Transport& transport);

  int rank() const { return transport_.rank(); }
  int size() const { return transport_.size(); }

  /// On rank 0: the next report of every rank, next to rank 0's own. A report that a rank sends early, for a later
  /// round, is kept for that round.
  template <class Value>
  Reports<Value> gather(const Value& own, std::chrono::milliseconds deadline) {
    Reports<Value> reports{{{0, own}}, wait_for_all(deadline)};
    for (const auto& [rank, bytes] : take_next_of_each()) reports.by_rank.emplace(rank, unpack<Value>(rank, bytes));
    return reports;
  }

  /// On rank 0: the same message to all other ranks.
  template <class Value>
  void send_to_all(const Value& value) {
    send_to_others(pack(value));
  }

  /// On the other ranks: the report that rank 0 gathers.
  template <class Value>
  void send_to_root(const Value& value) {
    send_bytes_to_root(pack(value));
  }

  /// On the other ranks: the next message of rank 0; empty when none came in time.
  template <class Value>
  std::optional<Value> receive(std::chrono::milliseconds deadline) {
    const std::optional<Bytes> bytes = next_of_root(deadline);
    return bytes ? std::optional(unpack<Value>(0, *bytes)) : std::nullopt;
  }

  /// Collective: every rank's value, in rank order, on every rank. Throws Error(resource) that names the missing ranks
  /// when some have not called within `deadline` of rank 0; the other ranks wait twice as long for rank 0, whose error
  /// knows more.
  template <class Value>
  std::vector<Value> all_gather(const Value& own, std::chrono::milliseconds deadline) {
    if (rank() == 0) return gather_and_share(own, deadline);
    send_to_root(own);
    auto all = receive<std::vector<Value>>(2 * deadline);
    if (!all) throw_missing({0}, 2 * deadline);
    return std::move(*all);
  }

 private:
  template <class Value>
  static Bytes pack(const Value& value) {
    return nlohmann::json::to_msgpack(nlohmann::json(value));
  }

  template <class Value>
  static Value unpack(int sender, const Bytes& bytes) {
    try {
      return nlohmann::json::from_msgpack(bytes).get<Value>();
    } catch (const nlohmann::json::exception& problem) {
      throw Error(Error::internal,
                  "rank " + std::to_string(sender) + " sent what this rank cannot read: " + problem.what());
    }
  }

  template <class Value>
  std::vector<Value> gather_and_share(const Value& own, std::chrono::milliseconds deadline) {
    const Reports<Value> reports = gather(own, deadline);
    if (!reports.missing.empty()) throw_missing(reports.missing, deadline);
    std::vector<Value> all;
    for (const auto& [rank, value] : reports.by_rank) all.push_back(value);
    send_to_all(all);
    return all;
  }

  void receive_what_came();
  std::set<int> silent() const;
  std::set<int> wait_for_all(std::chrono::milliseconds deadline);
  std::map<int, Bytes> take_next_of_each();
  void send_to_others(const Bytes& bytes);
  void send_bytes_to_root(Bytes bytes);
  std::optional<Bytes> next_of_root(std::chrono::milliseconds deadline);
  [[noreturn]] static void throw_missing(const std::set<int>& ranks, std::chrono::milliseconds waited);

  Transport& transport_;
  std::map<int, std::deque<Bytes>> received_;  ///< Messages not yet returned, by sender and in order of sending.
};

}  // namespace wf
