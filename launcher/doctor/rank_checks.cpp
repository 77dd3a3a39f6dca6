#include "launcher/doctor/meeting.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "launcher/doctor/rank_findings.hpp"
#include "launcher/doctor/rates.hpp"

namespace wf {

using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(GpuPair, a, b, direct)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(RankReport, rank, host, threads, host_bytes, host_ranks, wanfarm, torch, nccl,
                                   driver, mpi, device, gpu, pci, gpu_bytes, gpu_free, pairs, gpus_seen, lockable,
                                   infiniband, pinned_gb_per_s, pinning_problem, shm_bytes, shm_free, problem)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Trial, what, nccl, bytes)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Tried, rank, peers, host, seconds, problem)

namespace {

constexpr auto report_deadline = 60s;   ///< CUDA starts, and 1 GiB is pinned
constexpr auto trial_deadline = 40s;    ///< for the others to end what rank 0 has ended: they began with it
constexpr auto nccl_deadline = 100s;    ///< of the same, where a communicator is made
constexpr auto rank_0_deadline = 200s;  ///< until it says what comes next, having waited for all
constexpr auto whole_deadline = 300s;

/// For where MPI waits for others without a deadline.
class Patience {
 public:
  explicit Patience(const std::function<void()>& at_its_end)
      : thread_([this, at_its_end](const std::stop_token& stop) {
          std::unique_lock lock(mutex_);
          if (over_.wait_for(lock, stop, whole_deadline, [] { return false; }) || stop.stop_requested()) return;
          at_its_end();
        }) {}

 private:
  std::mutex mutex_;
  std::condition_variable_any over_;
  std::jthread thread_;  ///< last: it uses the others, and is told to stop by its destructor
};

std::optional<Letter> next_letter(Mail& mail, Clock::time_point end) {
  while (Clock::now() < end) {
    if (auto letter = mail.receive()) return letter;
    if (!mail.is_carrying()) std::this_thread::sleep_for(1ms);
  }
  return {};
}

template <class Said>
Said read(const Letter& letter) {
  return Json::from_msgpack(letter.bytes).get<Said>();
}

template <class Said>
void tell(Mail& mail, int rank, const Said& said) {
  mail.send(rank, Json::to_msgpack(Json(said)));
  mail.flush(report_deadline);
}

/// For rank 0: what each rank says, by rank, in time.
template <class Said>
std::map<int, Said> hear_all(Mail& mail, const Said& own, std::chrono::seconds deadline) {
  const auto end = Clock::now() + deadline;
  std::map<int, Said> said{{0, own}};
  while (std::ssize(said) < mail.size()) {
    const auto letter = next_letter(mail, end);
    if (!letter) break;
    said[letter->from] = read<Said>(*letter);
  }
  return said;
}

template <class Said>
std::vector<Said> values(const std::map<int, Said>& said) {
  std::vector<Said> values;
  for (const auto& [rank, value] : said) values.push_back(value);
  return values;
}

template <class Said>
Findings silent(const std::map<int, Said>& said, const std::vector<std::string>& hosts) {
  Findings findings;
  for (int rank = 0; rank < std::ssize(hosts); ++rank)
    if (!said.contains(rank))
      findings.push_back(
          {Finding::missing, "rank " + std::to_string(rank),
           hosts[static_cast<std::size_t>(rank)] + ": does not answer; look there for a process that hangs"});
  return findings;
}

at::Device device_of(const RankReport& report) {
  return report.gpu < 0 ? at::Device(at::kCPU) : at::Device(at::kCUDA, static_cast<at::DeviceIndex>(report.gpu));
}

void tell_others(Mail& mail, const Trial& trial) {
  for (int rank = 1; rank < mail.size(); ++rank) tell(mail, rank, trial);
}

/// False when ranks are lost, or cannot go on.
bool lead_trial(Process& process, at::Device device, const Trial& trial, Diagnosis& diagnosis) {
  Mail& mail = *process.mail;
  tell_others(mail, trial);
  const Tried own = try_together(*process.world, device, trial);
  const auto tried = hear_all(mail, own, trial.nccl ? nccl_deadline : trial_deadline);
  diagnosis.show(trial_finding(trial, values(tried)));
  diagnosis.show(silent(tried, process.hosts));
  return std::ssize(tried) == mail.size() &&
         std::all_of(tried.begin(), tried.end(), [](const auto& one) { return one.second.problem.empty(); });
}

bool lead(Process& process, const RankReport& own, Diagnosis& diagnosis) {
  const auto heard = hear_all(*process.mail, own, report_deadline);
  const RankReports reports = values(heard);
  diagnosis.show({Finding::ok, "MPI threads", "MPI_THREAD_MULTIPLE, which wanfarm needs"});
  for (const auto& look : {rank_table, problems, shared_gpus, differences, gpu_links, pinned_memory, shared_memory})
    diagnosis.show(look(reports));
  diagnosis.show(silent(heard, process.hosts));
  if (std::ssize(heard) < process.mail->size()) return false;
  for (const Trial& trial : choose_trials(reports))
    if (!lead_trial(process, device_of(own), trial, diagnosis)) return false;
  tell_others(*process.mail, {.what = Trial::none});
  return true;
}

bool follow(Process& process, const RankReport& own) {
  Mail& mail = *process.mail;
  tell(mail, 0, own);
  while (const auto letter = next_letter(mail, Clock::now() + rank_0_deadline)) {
    const auto trial = read<Trial>(*letter);
    if (trial.what == Trial::none) return true;
    tell(mail, 0, try_together(*process.world, device_of(own), trial));
  }
  return false;
}

}  // namespace

bool meet(Process& process, const RunOptions& options, Diagnosis& diagnosis, const std::function<void()>& give_up) {
  const Patience patience(give_up);
  const int rank = process.mail->rank();
  const RankReport own = own_report(rank, process.hosts[static_cast<std::size_t>(rank)], process.place, options);
  return rank == 0 ? lead(process, own, diagnosis) : follow(process, own);
}

}  // namespace wf
