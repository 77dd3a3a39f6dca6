// launcher/cli/commands/submit.cpp: wanfarm submit LIST: sends a list to Slurm as a job of the right size.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <map>
#include <memory>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/paths.hpp"
#include "base/shell.hpp"
#include "base/text.hpp"
#include "cluster/gpu.hpp"
#include "cluster/node.hpp"
#include "cluster/slurm/cluster_info.hpp"
#include "cluster/slurm/program.hpp"
#include "cluster/slurm/slurm_time.hpp"
#include "jobs/list/job_list.hpp"
#include "jobs/list/selection.hpp"
#include "jobs/output/publish.hpp"
#include "jobs/record/shards.hpp"
#include "jobs/record/submitted_job.hpp"
#include "launcher/cli/commands/commands.hpp"
#include "launcher/cli/commands/planned_ranks.hpp"
#include "launcher/cli/flags.hpp"
#include "launcher/options/byte_count.hpp"
#include "launcher/options/model_choice.hpp"
#include "launcher/planner/list_shard.hpp"
#include "launcher/run/earlier_runs.hpp"
#include "launcher/submit/follow.hpp"
#include "launcher/submit/job_script.hpp"
#include "launcher/submit/job_size.hpp"
#include "launcher/submit/site_nodes.hpp"

namespace wf {
namespace {

struct SubmitOptions {
  Path list;
  std::optional<Path> site;
  std::string partition, account, qos, gpu, dependency;
  int nodes = 0, gpus_per_node = 0, shards = 0;  ///< 0: not given
  std::optional<std::int64_t> seconds;
  bool dry_run = false, follow = false;
  int limit = 0;
  std::string only;
  RunOptions run;
  JobSettings jobs;
  std::vector<std::string> passed;  ///< Flags that are the run's, as they were typed.
};

void note(const std::string& text) { std::cerr << "note: " << text << '\n'; }

// ---- The site

/// The site's file, with what flags say in place of it.
Site chosen_site(const SubmitOptions& options) {
  const Environment variables = environment();
  const Path file =
      options.site.value_or(site_file(value_of(variables, "XDG_CONFIG_HOME"), value_of(variables, "HOME")));
  Site site;
  std::error_code error;
  if (options.site || std::filesystem::exists(file, error)) site = read_site(file);
  for (const auto& [flag, place] : {std::pair(&options.partition, &site.partition),
                                    {&options.account, &site.account},
                                    {&options.qos, &site.qos},
                                    {&options.gpu, &site.gpu}})
    if (!flag->empty()) *place = *flag;
  if (options.gpus_per_node > 0) site.gpus_per_node = options.gpus_per_node;
  return site;
}

// ---- The list

/// What there is to render.
struct Work {
  Path output;
  PlanRequest request;  ///< Its jobs are those that are not finished.
};

/// Takes out of the request what earlier runs finished in the folder.
void leave_out_finished(const SubmitOptions& options, Work& work) {
  std::error_code error;
  if (options.run.noise != NoiseSource::cpu || !std::filesystem::exists(work.output, error)) return;
  const ModelParts& parts = work.request.model;
  std::vector<Job>& jobs = work.request.jobs;
  const Recipe recipe = recipe_of(parts.id, work.request.execution, parts.is_rounded_to_fp8);
  const FinishedClips clips = finished_clips(work.output, jobs, recipe, options.run);
  std::vector<Job> left;
  for (std::size_t i = 0; i < jobs.size(); ++i)
    if (!clips.contains(i)) left.push_back(jobs[i]);
  jobs = std::move(left);
}

/// The jobs of the shard that takes longest: each task of an array gets the time that it needs.
std::vector<Job> longest_shard(const std::vector<Job>& jobs, int shards) {
  std::vector<Job> longest;
  double most = -1;
  for (int number = 1; number <= shards; ++number) {
    std::vector<Job> shard = jobs_of_shard(jobs, number, shards);
    double work = 0;
    for (const Job& job : shard) work += predicted_work(job);
    if (work > most) most = work, longest = std::move(shard);
  }
  return longest;
}

/// Throws input when the run, or its shards, would not be taken by what is in the output folder.
void check_folder(const Path& output, int shards) {
  check_division(output, shards > 0 ? std::optional(ListShard{1, shards}) : std::nullopt);
}

Work work_of(SubmitOptions& options, const Site& site) {
  JobList list = read_job_list(options.list, options.jobs);
  for (const std::string& warning : list.warnings) note(warning);
  const Path output = absolute_folder(options.run.output.value_or(list.output.value_or("renders")));
  check_folder(output, options.shards);
  take_known_seeds(output, list.jobs);
  std::vector<Job> jobs = select(list.jobs, options.only, options.limit);
  if (options.shards > 0) jobs = longest_shard(jobs, options.shards);
  const PlannedRanks ranks{.per_node = site.gpus_per_node, .gpu = site.gpu, .memory_bytes = site.gpu_memory};
  Work work{.output = output, .request = plan_request(list.model, jobs, ranks, options.run)};
  if (options.shards == 0) leave_out_finished(options, work);
  return work;
}

/// What the planner says of the list on any number of nodes, each looked at once. That nothing fits the memory is a
/// wrong wish here, since another partition may have other GPUs.
ForecastOnNodes forecast_of(PlanRequest request, int ranks_per_node) {
  const auto known = std::make_shared<std::map<int, ListForecast>>();
  return [request = std::move(request), ranks_per_node, known](int nodes) mutable {
    if (const auto found = known->find(nodes); found != known->end()) return found->second;
    request.hardware.nodes.assign(static_cast<std::size_t>(nodes), ranks_per_node);
    try {
      const PlanResult result = make_plan(request);
      const Prediction& predicted = result.winner().predicted;
      return (*known)[nodes] = {predicted.start_seconds, predicted.clip_seconds, predicted.makespan};
    } catch (const Error& error) {
      throw Error(Error::input, error.what());
    }
  };
}

JobSize chosen_size(const SubmitOptions& options, const Site& site, const Partition* partition, const Work& work) {
  SizeRequest request{.nodes = {},
                      .seconds = options.seconds,
                      .clips = work.request.jobs.size(),
                      .ranks_per_node = site.gpus_per_node,
                      .partition = partition ? partition->name : site.partition,
                      .most_nodes = {},
                      .most_seconds = {}};
  if (options.nodes > 0) request.nodes = options.nodes;
  if (partition) request.most_nodes = partition->nodes, request.most_seconds = partition->most_seconds;
  return size_of_job(request, forecast_of(work.request, site.gpus_per_node));
}

// ---- The job

std::string describe(const SubmitOptions& options, const Work& work, const JobSize& size, const Site& site) {
  const std::string tasks =
      options.shards > 0 ? fmt::format("{} tasks, the longest of which has ", options.shards) : "";
  return fmt::format("{}{} of {}, predicted to take {} on {} of {}", tasks,
                     count_text(work.request.jobs.size(), "clip"), options.list.string(),
                     duration_text(size.forecast.makespan), count_text(static_cast<std::size_t>(size.nodes), "node"),
                     count_text(static_cast<std::size_t>(site.gpus_per_node), "rank"));
}

std::vector<std::string> arguments_of(const SubmitOptions& options, const Work& work, bool has_gpus) {
  std::vector<std::string> words{"render", options.list.string()};
  words.insert(words.end(), options.passed.begin(), options.passed.end());
  // A node that lacks its GPUs, or a build without CUDA, is then an error and no slow run.
  if (std::ranges::find(words, "--device") == words.end())
    words.insert(words.end(), {"--device", has_gpus ? "cuda" : "cpu"});
  words.insert(words.end(), {"--output", work.output.string()});
  return words;
}

/// gpu_type: as fill_in_nodes() returns it.
JobScript script_of(const SubmitOptions& options, const Site& site, const Work& work, const JobSize& size,
                    const std::string& gpu_type) {
  const bool has_gpus = site.gpu != "cpu";
  return {.site = site,
          .nodes = size.nodes,
          .ranks_per_node = site.gpus_per_node,
          .has_gpus = has_gpus,
          .gpu_type = gpu_type,
          .seconds = size.seconds,
          .dependency = options.dependency,
          .shards = options.shards,
          .folder = std::filesystem::current_path(),
          .logs = work.output / "log",
          .comment = describe(options, work, size, site),
          .program = std::filesystem::read_symlink("/proc/self/exe"),
          .arguments = arguments_of(options, work, has_gpus)};
}

/// Hands the script to sbatch. Returns the job's number.
std::string submitted(const Path& script) {
  const ProgramAnswer answer = answer_of({"sbatch", "--parsable", script.string()}, false);
  if (answer.code == 127)
    throw Error(Error::environment,
                "sbatch is not in PATH: submit on a login node of the cluster (--dry-run prints the script)");
  const std::string job = answer.out.substr(0, answer.out.find_first_of(";\n"));
  if (answer.code != 0 || job.empty())
    throw Error(Error::input, fmt::format("sbatch does not take {} (its reason is above)", script.string()));
  return job;
}

int send(const SubmitOptions& options, const JobScript& script, const Path& output) {
  const std::string text = to_text(script);
  const Path file = hidden_folder(output) / "submit.sbatch";
  const std::string shown = options.run.output.value_or(output).string();
  make_folder(script.logs);
  make_folder(file.parent_path());
  write_file(file, text);
  const double now = unix_time();
  const std::string job = submitted(file);
  write_submitted_job(output, {job, now});
  std::cout << fmt::format("job {}: {}\n", job, script.comment) << fmt::format("script: {}\n", file.string())
            << fmt::format("log: {}\n", log_of_job(script.logs, options.shards > 0 ? job + "-*" : job).string())
            << fmt::format("to follow it: {}\n", shell_command({"wanfarm", "status", shown, "--watch"})) << std::flush;
  return options.follow ? follow({.job = job, .output = output, .shown = shown, .submitted = now}) : 0;
}

/// The run plans with the link that its job was sized with.
void take_link(SubmitOptions& options, const Site& site) {
  double& link = options.run.planning.link_between_nodes;
  if (link > 0 || site.link_between_nodes == 0) return;
  link = site.link_between_nodes;
  options.passed.insert(options.passed.end(), {"--link-between-nodes", link_text(link)});
}

int submit(SubmitOptions& options) {
  Site site = chosen_site(options);
  take_link(options, site);
  const std::vector<Partition> all = partitions();
  const Partition* const partition = partition_of(site, all);
  if (all.empty()) note("scontrol does not answer, so limits of the partition are not known");
  const std::vector<NodeKind> nodes = partition ? nodes_of(partition->name) : std::vector<NodeKind>();
  const std::string gpu_type = fill_in_nodes(site, nodes);
  for (const std::string& unknown : what_is_unknown(site)) note(unknown);
  if (const std::string types = types_note(site, nodes, gpu_type); !types.empty()) note(types);
  if (site.gpu != "cpu" && site.program.empty() && site.container.empty() && cuda_view().version.empty())
    note("this program has no CUDA, which the job needs: submit with that of ./wanfarm --cuda");
  const Work work = work_of(options, site);
  if (work.request.jobs.empty()) {
    std::cout << work.output.string() << ": all clips are finished, there is nothing to submit\n";
    return 0;
  }
  const JobSize size = chosen_size(options, site, partition, work);
  const JobScript script = script_of(options, site, work, size, gpu_type);
  if (!options.dry_run) return send(options, script, work.output);
  std::cout << to_text(script);
  return 0;
}

// ---- The flags

std::function<void(const std::string&)> into_word(std::string& target) {
  return [&target](const std::string& text) { check_sbatch_word("the value", text), target = text; };
}

std::function<void(const std::string&)> into_time(std::optional<std::int64_t>& target) {
  return [&target](const std::string& text) {
    target = parse_slurm_time(text);
    if (!target || *target == 0)
      throw Error(Error::input,
                  "a time as Slurm writes it is needed, such as 90 (minutes), 4:00:00 or 1-12, got '" + text + "'");
  };
}

std::vector<Flag> own_flags(SubmitOptions& o) {
  return {
      {"LIST", "FILE", "the prompt list (YAML)", into(o.list)},
      {"--nodes", "N", "nodes of the job (default: the fewest that end in --time, else 1)", into(o.nodes, 1)},
      {"--time", "TIME", "time limit as Slurm writes it: 90 (minutes), 4:00:00, 1-12 (default: what the nodes need)",
       into_time(o.seconds)},
      {"--gpus-per-node", "N", "GPUs of each node, a rank for each (default: those of the partition's nodes)",
       into(o.gpus_per_node, 1)},
      choice_flag(
          "--gpu", {"h200", "h100", "a100", "l40s", "rtx4090", "generic", "cpu"},
          "kind of GPU to plan for (default: as Slurm names it); cpu: --gpus-per-node processes share the cores "
          "of a node",
          o.gpu),
      {"--partition", "NAME", "partition", into_word(o.partition)},
      {"--account", "NAME", "account", into_word(o.account)},
      {"--qos", "NAME", "quality of service", into_word(o.qos)},
      {"--array", "N",
       "a job array of N tasks, each with nodes of its own, which render shards of the list in OUTPUT/shard-I-of-N",
       into(o.shards, 1)},
      {"--dependency", "JOB", "begin after the end of this job, however it ends; or what sbatch takes: afterok:42",
       [&o](const std::string& text) { o.dependency = dependency_of(text); }},
      {"--site", "FILE", "settings of the cluster (default: ~/.config/wanfarm/site.yaml)", into(o.site)},
      {"--dry-run", "", "print the script, submit and write nothing", into(o.dry_run)},
      {"--follow", "", "show the job until it has ended, and exit with the run's code", into(o.follow)}};
}

/// The flags, which also add what was typed to `words`.
std::vector<Flag> passed_on(std::vector<Flag> flags, std::vector<std::string>& words) {
  for (Flag& flag : flags) {
    std::string name = split_at_commas(flag.names).back();
    if (const std::string first = split_at_commas(flag.names).front(); first.starts_with("--")) name = first;
    flag.set = [set = flag.set, name, is_on_or_off = is_switch(flag), &words](const std::string& value) {
      set(value);
      words.push_back(is_on_or_off && value != "true" ? name + "=" + value : name);
      if (!is_on_or_off) words.push_back(value);
    };
  }
  return flags;
}

/// What a run takes and a job decides: the output folder is written out, and Slurm starts the ranks.
bool is_decided_here(const Flag& flag) {
  constexpr std::array<std::string_view, 4> decided{"--output", "--ranks", "--restarts", "--dry-run"};
  return std::ranges::find(decided, flag.names) != decided.end();
}

std::vector<Flag> flags_of(SubmitOptions& o) {
  std::vector<Flag> flags = own_flags(o), of_run = run_flags(o.run);
  flags.push_back(of_run.front());  // --output
  std::erase_if(of_run, is_decided_here);
  append(of_run, selection_flags(o.only, o.limit));
  append(of_run, job_flags(o.jobs, {.hardware = &o.run.preset, .encoder = &o.run.video.preset}));
  for (Flag& flag : of_run)
    if (flag.group == "Options") flag.group = "Options of the run";
  append(flags, passed_on(std::move(of_run), o.passed));
  return flags;
}

}  // namespace

Command submit_command() {
  const auto options = std::make_shared<SubmitOptions>();
  return {.name = "submit",
          .summary = "Send a prompt list to Slurm as a job that is long and wide enough for it",
          .examples =
              "  wanfarm submit prompts.yaml --time 12:00:00                as many nodes as that takes\n"
              "  wanfarm submit prompts.yaml --nodes 2 --dry-run            the script, with the time that they need\n"
              "  wanfarm submit prompts.yaml --time 4:00:00 --follow        exits with the run's code\n"
              "  wanfarm submit prompts.yaml --array 8                      eight jobs of one node\n"
              "  wanfarm submit prompts.yaml --nodes 4 --dependency 1234    goes on after another job\n"
              "  wanfarm doctor --slurm                                     once: partition, GPUs, launcher\n",
          .flags = flags_of(*options),
          .run = [options] { return submit(*options); }};
}

}  // namespace wf
