// jobs/record/run_info.hpp: what a run is, beside its events: OUTPUT/.wanfarm/run.json, written once at the start, and
// OUTPUT/.wanfarm/clips.jsonl, its clips with their seeds drawn, one per line. Later commands on the folder (status,
// report, finish) know the run from these files, whatever has become of the prompt list.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "jobs/job.hpp"
#include "jobs/model_source.hpp"

namespace wf {

struct RunInfo {
  std::string id;          ///< The same for all starts of one command by its front end; else new for each start.
  std::int64_t epoch = 0;  ///< Of the journal.
  double started = 0;      ///< Unix time in seconds.
  std::string host;        ///< Of rank 0.
  std::int64_t pid = 0;    ///< Of rank 0.
  std::string version;     ///< Of wanfarm.
  std::vector<std::string> command;  ///< As the user typed it.
  std::string folder;                ///< Working folder of that command.
  ModelSource model;                 ///< With paths from the root.
  std::string placement, precision, codec;
  struct Rank {
    std::string host, device;  ///< "n2", "NVIDIA H200"
    int leader = 0;            ///< The leader of its group.
  };
  std::vector<Rank> ranks;
  std::map<std::string, std::string> settings = {};  ///< Further flags that `finish` takes over, by name.
};

/// A clip of the run: a line of clips.jsonl, which begins with the fingerprint. The first line has all values of its
/// job; the others have those that differ, since most jobs of a list share most of their values.
struct ListedClip {
  Job job;
  std::string fingerprint;
};

/// OUTPUT/.wanfarm/run.json.
Path run_info_file(const Path& output);
/// Throws Error(storage). Replaces the file of an earlier run.
void write_run_info(const Path& output, const RunInfo& info);
/// Empty when there is none, or when it is broken.
std::optional<RunInfo> read_run_info(const Path& output);

/// Throws Error(storage). fingerprints: of each job.
void write_clip_list(const Path& output, const std::vector<Job>& jobs, const std::vector<std::string>& fingerprints);
/// For a run of a part of its list: the other clips that the folder knows stay, and all keep their places and numbers
/// in the list. Throws Error(storage).
void add_to_clip_list(const Path& output, const std::vector<Job>& jobs, const std::vector<std::string>& fingerprints);
/// Empty when there is no list. Throws Error(input) that names the file and line when it is broken.
std::vector<ListedClip> read_clip_list(const Path& output);

}  // namespace wf
