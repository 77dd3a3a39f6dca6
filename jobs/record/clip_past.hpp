// jobs/record/clip_past.hpp: turns events, one after the other, into the histories of clips. Internal to jobs/record.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "jobs/record/history.hpp"

namespace wf {

/// The clips of a list, without a past.
std::vector<ClipHistory> untouched(std::vector<ListedClip> clips);

/// A clip is known by its fingerprint where an event has it, else by its name. Clips of one fingerprint end together:
/// one of them is rendered, the others become its copies.
class ClipPast {
 public:
  /// The clips have no past yet. They outlive this object, and stay where they are. leaders: of each rank of the last
  /// run the leader of its group, with which the group is lost; empty where each rank is its own.
  explicit ClipPast(std::vector<ClipHistory>& clips, std::vector<int> leaders = {});

  /// Takes in the next event of the journal, in O(1) unless a rank is lost, or a run begins or ends.
  void add(const Event& event);
  /// Whether an earlier epoch finished the clip, and the current one has not said so.
  bool is_from_earlier(std::size_t clip) const { return more_[clip].done_earlier; }

 private:
  /// What is known of a clip besides its history.
  struct More {
    std::size_t next_copy;      ///< The next clip with the same fingerprint, or npos.
    int attempt = 0;            ///< The number of the last attempt that was begun, in the current epoch.
    bool done_earlier = false;  ///< See is_from_earlier().
  };
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);

  std::size_t clip_of(const Event& event) const;
  void apply(const Event& event, std::size_t clip);
  void assign(const Event& event, std::size_t clip);
  void finish(const Event& event, ClipHistory& clip) const;
  void begin_epoch(const Event& event);
  void let_wait_again(int leader);
  int leader_of(int rank) const;

  std::vector<ClipHistory>& clips_;
  std::vector<int> leaders_;
  std::vector<More> more_;
  std::unordered_map<std::string_view, std::size_t> by_name_, by_fingerprint_;
  std::size_t events_ = 0;
  std::int64_t epoch_ = 0;
  std::string run_;  ///< The id of the current run.
};

}  // namespace wf
