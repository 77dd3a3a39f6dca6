// launcher/farm/start.hpp: the first conversation of a run. Every rank says what it has; rank 0 reads the list, plans,
// and tells all; every rank makes sure that it sees the same folder and the same checkpoint; then all begin, or none.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "jobs/publish.hpp"
#include "launcher/farm/courier.hpp"
#include "launcher/farm/run_start.hpp"
#include "launcher/plan.hpp"
#include "launcher/run.hpp"

namespace wf {

/// A run that begins, as a rank other than 0 knows it.
struct JoinedRun {
  RunStart run;
  ModelParts parts;
};

/// The same on rank 0.
struct LedRun : JoinedRun {
  std::map<std::size_t, Sidecar> finished;  ///< of the clips in run.finished
  PlanRequest request;                      ///< what the plan was made for
  std::unique_ptr<RunFolder> folder;        ///< held
};

/// On rank 0. Throws what is wrong with the list, the model, the folder or a rank (environment: it names the rank);
/// then the others have been told that there is no run.
LedRun start_run(const ReadRequest& read, const Execution& base, const RunOptions& options, Courier& courier);

/// On every other rank. Empty when there is no run.
std::optional<JoinedRun> join_run(const Execution& base, const RunOptions& options, Courier& courier);

}  // namespace wf
