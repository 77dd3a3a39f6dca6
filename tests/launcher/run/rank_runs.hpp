// tests/launcher/run/rank_runs.hpp: wanfarm render --ranks from outside, with the tiny model, on the device that
// WF_TEST_DEVICE names (cpu). Tests that need more than two ranks have Many in their names: two GPUs leave them out.
#pragma once

#include <sys/types.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/launcher/program.hpp"

namespace wf {

using Json = nlohmann::json;
using Flags = std::vector<std::string>;

/// Of the list list.yaml, into the folder out.
Flags render_flags(int ranks, const Flags& more, const Path& model = golden_model_folder());
ProgramResult render(const TempFolder& folder, int ranks, const Flags& more = {});

/// What the finished clips' sidecars say under this key, by their names.
std::map<std::string, Json> of_sidecars(const Path& folder, const std::string& key);
/// Of a list rendered in a folder of its own.
std::map<std::string, Json> latents_with(const std::string& list, int ranks, const Flags& more);

/// The processes of the run in that folder, by rank.
std::map<int, pid_t> ranks_in(const Path& folder);

/// A list so long that it can be interrupted. steps: on a CPU; a GPU, which is faster, gets more.
std::string long_list(int clips, int steps);

/// Until that rank, of a run with --log-level trace, has done a step of a clip, and so is about to begin the next
/// forward, or within it. False: the run is over.
bool wait_for_a_step(Program& program, int rank);

/// MiB in use on each GPU of the machine; none when the tests are for a CPU.
std::vector<int> used_gpu_memory();

}  // namespace wf
