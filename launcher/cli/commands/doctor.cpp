// launcher/commands/doctor.cpp: wanfarm doctor: is this machine ready, are these ranks, and with what was the program
// built.
#include <memory>

#include "cluster/error.hpp"
#include "cluster/log.hpp"
#include "launcher/commands/commands.hpp"
#include "launcher/doctor/meeting.hpp"
#include "launcher/doctor/own_findings.hpp"
#include "launcher/doctor/rank_findings.hpp"
#include "launcher/front.hpp"
#include "launcher/process.hpp"

namespace wf {
namespace {

struct DoctorOptions {
  std::optional<Path> model;
  RunOptions run;
};

/// What a process can say of itself alone. Of several, rank 0 says it.
void look_at_oneself(const DoctorOptions& options, const Rank& rank, Diagnosis& diagnosis) {
  diagnosis.show(build_findings());
  diagnosis.show(machine_findings());
  if (options.model) diagnosis.show(model_finding(*options.model));
  if (rank.size > 1) return;
  diagnosis.show(starter_finding());
  const RankReports own{own_report(0, this_node().host, {}, options.run)};
  for (const auto& look : {gpu_links, pinned_memory, shared_memory, problems}) diagnosis.show(look(own));
}

void look_at_ranks(const DoctorOptions& options, const Rank& rank, Diagnosis& diagnosis) {
  try {
    Process process(rank);
    const auto end = [&process] { process.end(exit_code(Error::environment)); };
    const auto give_up = [&] {
      if (rank.rank == 0) diagnosis.show({Finding::missing, "ranks", "some hang; the ranks are ended"});
      end();
    };
    if (!meet(process, options.run, diagnosis, give_up)) end();
  } catch (const std::exception&) {
    if (rank.rank == 0) diagnosis.show({Finding::missing, "ranks", current_error().what()});
  }
}

int doctor(const DoctorOptions& options) {
  if (const auto code = run_as_ranks(options.run.ranks)) return *code;
  const Rank rank = rank_from(environment());
  open_log("off", rank.rank);  // what goes wrong is a finding, and only rank 0 speaks
  Diagnosis diagnosis;
  if (rank.rank == 0) look_at_oneself(options, rank, diagnosis);
  if (rank.size > 1) look_at_ranks(options, rank, diagnosis);
  return diagnosis.something_missing() ? exit_code(Error::environment) : 0;
}

}  // namespace

Command doctor_command() {
  const auto options = std::make_shared<DoctorOptions>();
  return {
      .name = "doctor",
      .summary = "Show what this machine, this build and these ranks have; exit 3 when something needed is missing",
      .examples =
          "  wanfarm doctor\n  wanfarm doctor --model models/Wan2.2-T2V-A14B\n  wanfarm doctor --ranks 8\n"
          "  mpirun -n 8 wanfarm doctor\n",
      .flags = {{"--model", "FOLDER", "also look whether this checkpoint is complete", into(options->model)},
                {"--ranks", "N", "also look at N processes together, as render would start them",
                 into(options->run.ranks, 1)},
                choice_flag("--device", {"auto", "cpu", "cuda"}, "where the ranks would compute", options->run.device)},
      .run = [options] { return doctor(*options); }};
}

}  // namespace wf
