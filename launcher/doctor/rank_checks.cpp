#include "launcher/doctor/rank_checks.hpp"

#include <algorithm>
#include <chrono>

#include "base/deadline.hpp"
#include "cluster/rendezvous.hpp"
#include "launcher/doctor/rank_findings.hpp"
#include "launcher/doctor/rates.hpp"

namespace wf {

using namespace std::chrono_literals;

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(GpuPair, a, b, direct)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(RankReport, rank, host, threads, node_bytes, ranks_on_node, wanfarm, torch, nccl,
                                   driver, mpi, device, gpu, pci, gpu_bytes, gpu_free, pairs, gpus_seen, lockable,
                                   infiniband, pinned_gb_per_s, pinning_problem, shm_bytes, shm_free, problem)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Trial, what, nccl, bytes)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(TrialResult, rank, peers, host, seconds, problem)

namespace {

constexpr auto report_deadline = 60s;  ///< Time for each rank to start CUDA and pin 1 GiB.
constexpr auto trial_deadline = 40s;  ///< Time for the other ranks after rank 0's own trial, which gives up after 30 s.
constexpr auto nccl_deadline = 100s;  ///< Like trial_deadline, where making NCCL communicators may take a minute more.
constexpr auto rank_0_deadline = 200s;  ///< Time for rank 0 to gather one round and to announce the next.
constexpr auto whole_deadline = 300s;   ///< Time for all rounds together.

template <class Report>
std::vector<Report> values(const Reports<Report>& reports) {
  std::vector<Report> values;
  for (const auto& [rank, value] : reports.by_rank) values.push_back(value);
  return values;
}

Findings missing_ranks(const std::set<int>& missing, const std::vector<std::string>& hosts) {
  Findings findings;
  for (const int rank : missing)
    findings.push_back(
        {Finding::missing, "rank " + std::to_string(rank),
         hosts[static_cast<std::size_t>(rank)] + ": does not answer; look there for a process that hangs"});
  return findings;
}

at::Device device_of(const RankReport& report) {
  return report.gpu < 0 ? at::Device(at::kCPU) : at::Device(at::kCUDA, static_cast<at::DeviceIndex>(report.gpu));
}

/// False when ranks are missing, or when a trial failed, which leaves MPI or NCCL unusable.
bool lead_trial(Rendezvous& ranks, RankProcess& process, at::Device device, const Trial& trial, Diagnosis& diagnosis) {
  ranks.send_to_all(trial);
  const TrialResult own = run_trial(*process.world, device, trial);
  const Reports<TrialResult> results = ranks.gather(own, trial.nccl ? nccl_deadline : trial_deadline);
  diagnosis.show(trial_finding(trial, values(results)));
  diagnosis.show(missing_ranks(results.missing, process.hosts));
  return results.missing.empty() && std::all_of(results.by_rank.begin(), results.by_rank.end(),
                                                [](const auto& one) { return one.second.problem.empty(); });
}

bool lead(Rendezvous& ranks, RankProcess& process, const RankReport& own, Diagnosis& diagnosis) {
  const Reports<RankReport> gathered = ranks.gather(own, report_deadline);
  const RankReports reports = values(gathered);
  diagnosis.show({Finding::ok, "MPI threads", "MPI_THREAD_MULTIPLE, which wanfarm needs"});
  for (const auto& look : {rank_table, problems, shared_gpus, differences, gpu_links, pinned_memory, shared_memory})
    diagnosis.show(look(reports));
  diagnosis.show(missing_ranks(gathered.missing, process.hosts));
  if (!gathered.missing.empty()) return false;
  for (const Trial& trial : choose_trials(reports))
    if (!lead_trial(ranks, process, device_of(own), trial, diagnosis)) return false;
  ranks.send_to_all(Trial{.what = Trial::none});
  return true;
}

bool follow(Rendezvous& ranks, RankProcess& process, const RankReport& own) {
  ranks.send_to_root(own);
  while (const auto trial = ranks.receive<Trial>(rank_0_deadline)) {
    if (trial->what == Trial::none) return true;
    ranks.send_to_root(run_trial(*process.world, device_of(own), *trial));
  }
  return false;
}

}  // namespace

bool check_ranks(RankProcess& process, const RunOptions& options, Diagnosis& diagnosis,
                 const std::function<void()>& give_up) {
  const Deadline deadline(whole_deadline, give_up);  // MPI itself waits for other ranks forever
  Rendezvous ranks(*process.transport);
  const int rank = ranks.rank();
  const RankReport own = own_report(rank, process.hosts[static_cast<std::size_t>(rank)], process.place, options);
  return rank == 0 ? lead(ranks, process, own, diagnosis) : follow(ranks, process, own);
}

}  // namespace wf
