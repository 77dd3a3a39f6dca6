// launcher/cli/commands/doctor.cpp: wanfarm doctor: checks this machine, the build and, if there are several, the
// ranks together. With --slurm: writes the settings of a cluster, as they are proposed.
#include <iostream>
#include <memory>

#include "base/error.hpp"
#include "base/log.hpp"
#include "cluster/launch/start_ranks.hpp"
#include "cluster/node.hpp"
#include "launcher/cli/commands/commands.hpp"
#include "launcher/cli/flags.hpp"
#include "launcher/cli/model_flags.hpp"
#include "launcher/doctor/own_findings.hpp"
#include "launcher/doctor/rank_checks.hpp"
#include "launcher/doctor/rank_findings.hpp"
#include "launcher/run/rank_process.hpp"
#include "launcher/submit/propose_site.hpp"
#include "launcher/submit/site.hpp"

namespace wf {
namespace {

struct DoctorOptions {
  ModelSource model;
  RunOptions run;
  bool slurm = false;
  std::optional<Path> output;  ///< Of the site file.
  bool force = false;
};

/// Shows what a single process can find out. With several ranks only rank 0 does this.
void check_own_process(const DoctorOptions& options, const Rank& rank, Diagnosis& diagnosis) {
  diagnosis.show(build_findings());
  diagnosis.show(node_findings());
  if (options.model != ModelSource{}) diagnosis.show(model_findings(options.model));
  if (rank.size > 1) return;
  diagnosis.show(starter_finding());
  const RankReports own{own_report(0, this_node().host, {}, options.run)};
  for (const auto& check : {gpu_links, pinned_memory, shared_memory, problems}) diagnosis.show(check(own));
}

void check_ranks(const DoctorOptions& options, const Rank& rank, Diagnosis& diagnosis) {
  try {
    RankProcess process(rank);
    const auto end = [&process] { process.end(exit_code(Error::environment)); };
    const auto give_up = [&] {
      if (rank.rank == 0) diagnosis.show({Finding::missing, "ranks", "some ranks hang; all are ended"});
      end();
    };
    if (!check_ranks(process, options.run, diagnosis, give_up)) end();
  } catch (const std::exception&) {
    if (rank.rank == 0) diagnosis.show({Finding::missing, "ranks", current_error().what()});
  }
}

/// Writes the site file that is proposed for this cluster. One that is there, with what was filled in, stays.
int write_site_file(const DoctorOptions& options) {
  const Environment variables = environment();
  const Path file =
      options.output.value_or(site_file(value_of(variables, "XDG_CONFIG_HOME"), value_of(variables, "HOME")));
  if (file.empty()) throw Error(Error::input, "there is no home folder for the site file: give --output FILE");
  if (!options.force && std::filesystem::exists(file))
    throw Error(Error::input, file.string() + ": is there already; --force replaces it, --output names another file");
  const std::string text = proposed_file(ask_cluster());
  if (file.has_parent_path()) make_folder(file.parent_path());
  write_file(file, text);
  std::cout << text << '\n' << file.string() << ": written; read it, and fill in what jobs need here\n";
  return 0;
}

int doctor(const DoctorOptions& options) {
  if (options.slurm) return write_site_file(options);
  if (options.output || options.force) throw Error(Error::input, "--output and --force are for --slurm");
  if (const auto code = run_as_ranks(options.run.ranks)) return *code;
  const Rank rank = rank_from(environment());
  open_log(LogLevel::off, rank.rank);  // failures become findings, and only rank 0 prints them
  Diagnosis diagnosis;
  if (rank.rank == 0) check_own_process(options, rank, diagnosis);
  if (rank.size > 1) check_ranks(options, rank, diagnosis);
  return diagnosis.something_missing() ? exit_code(Error::environment) : 0;
}

std::vector<Flag> flags_of(DoctorOptions& options) {
  const Choices<DeviceChoice> devices{
      {"auto", DeviceChoice::automatic}, {"cpu", DeviceChoice::cpu}, {"cuda", DeviceChoice::cuda}};
  std::vector<Flag> flags = model_flags(options.model);
  for (Flag& flag : flags) flag.group = "Options";
  flags.front().help = "also check that this model, with the parts and LoRAs of the flags below, is complete";
  append(flags,
         {{"--ranks", "N", "also check N processes together, started as render would start them",
           into(options.run.ranks, 1)},
          choice_flag("--device", devices, "device that the ranks would compute on", options.run.device),
          {"--slurm", "",
           "only write a site file for `wanfarm submit`, proposed from what sinfo, scontrol and srun say of this "
           "cluster",
           into(options.slurm)},
          {"--output", "FILE", "the site file of --slurm (~/.config/wanfarm/site.yaml)", into(options.output)},
          {"--force", "", "let --slurm replace a site file that is there", into(options.force)}});
  return flags;
}

}  // namespace

Command doctor_command() {
  const auto options = std::make_shared<DoctorOptions>();
  return {.name = "doctor",
          .summary = "Check this machine, the build and the ranks; exit code 3 if something needed is missing",
          .examples =
              "  wanfarm doctor\n  wanfarm doctor --model models/Wan2.2-T2V-A14B\n  wanfarm doctor --ranks 8\n"
              "  wanfarm doctor --slurm                     on a login node: writes ~/.config/wanfarm/site.yaml\n"
              "  mpirun -n 8 wanfarm doctor\n",
          .flags = flags_of(*options),
          .run = [options] { return doctor(*options); }};
}

}  // namespace wf
