// jobs/record/results_tables.hpp: OUTPUT/results.csv and OUTPUT/results.jsonl: how each clip of the folder ended, one
// line a clip in the order in which they end. A run keeps the lines of earlier runs whose clips are not its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/files.hpp"
#include "jobs/job.hpp"
#include "jobs/output/publish.hpp"
#include "jobs/output/sidecar.hpp"

namespace wf {

/// How a clip ended. A clip that is tried again after that (`wanfarm control RUN retry`) ends a second time, and has a
/// second line; the last one counts.
struct ClipResult {
  /// skipped: an earlier run had finished it. quarantined: set aside, for two ranks were lost with it.
  enum Status { done, skipped, failed, quarantined, cancelled };
  Status status = done;
  Job job;
  int attempts = 0;  ///< Begun in the run that ended it.
  int rank = -1;     ///< The leader of the group that had it last there; -1: none did, or it is not known.
  // Of a clip that is done or skipped:
  std::string fingerprint = {}, video_file = {}, latents_sha256 = {}, frames_sha256 = {};
  std::map<std::string, double> seconds = {};  ///< By stage.
  // Of a clip that failed or is quarantined:
  std::string error_kind = {}, error = {};
};
std::string_view to_string(ClipResult::Status status) noexcept;

/// status: done or skipped.
ClipResult finished_result(ClipResult::Status status, const Sidecar& sidecar, int attempts = 0, int rank = -1);
/// status: failed or quarantined.
ClipResult failed_result(ClipResult::Status status, const Job& job, const Error& error, int attempts, int rank);

/// A row of results.csv (RFC 4180) with its newline: index,name,seed,status,seconds,video,error,attempts,rank. The
/// status of a skipped clip is `done` there. The index is empty where an older version did not record it.
std::string csv_row(const ClipResult& result);
/// A line of results.jsonl and of --json, without its newline.
std::string json_line(const ClipResult& result);

/// The last line of each clip in OUTPUT/results.jsonl, in their order; nothing when there is no such file. A line that
/// is not complete, or not one of a clip, is left out. Of the job it has name, seed and index, 0 where that is missing.
std::vector<ClipResult> read_results(const Path& output);

/// Both tables of a run. Not thread-safe.
class ResultsTables {
 public:
  /// Writes both files anew, with those results of earlier runs for which keeps(result) holds: no line that a kill cut
  /// short stays, and results.csv says what results.jsonl does. The caller's run holds the lock on the folder. Throws
  /// Error(storage).
  ResultsTables(const OutputFolder& folder, const std::function<bool(const ClipResult&)>& keeps);
  /// Adds a line to each, which survives a kill of this process. Throws Error(storage).
  void add(const ClipResult& result);
  /// Where in results.jsonl the lines of this run begin.
  std::uint64_t kept_bytes() const noexcept { return kept_bytes_; }

 private:
  struct Kept {
    std::string rows, lines;  ///< of results.csv, with its header, and of results.jsonl
  };
  static Kept kept(const Path& output, const std::function<bool(const ClipResult&)>& keeps);
  ResultsTables(const OutputFolder& folder, const Kept& kept);

  std::uint64_t kept_bytes_;
  AppendFile csv_, jsonl_;
};

/// Clips by how they ended.
struct ResultCounts {
  std::size_t done = 0;    ///< Rendered or skipped.
  std::size_t failed = 0;  ///< Failed or set aside.
  std::size_t cancelled = 0;
  bool operator==(const ResultCounts&) const = default;
};
/// What OUTPUT/results.jsonl says from byte `begin` on, also of a run that was killed. Zeros when there is none; lines
/// that are not complete do not count.
ResultCounts read_result_counts(const Path& output, std::uint64_t begin = 0);

}  // namespace wf
