#include "launcher/run.hpp"

#include <iostream>

#include "cluster/error.hpp"
#include "cluster/log.hpp"
#include "cluster/node.hpp"
#include "cluster/signals.hpp"
#include "jobs/publish.hpp"
#include "launcher/dry_run.hpp"
#include "launcher/model_choice.hpp"
#include "launcher/plan.hpp"
#include "launcher/work.hpp"
#include "pipeline/models.hpp"
#include "pipeline/video/video_writer.hpp"

namespace wf {
namespace {

/// Two processes that both render everything would be worse than none.
void refuse_many_processes(const Rank& rank) {
  if (rank.size > 1)
    throw Error(Error::environment, "this version renders with one process, but was started as " +
                                        std::to_string(rank.size) +
                                        "; start it once, without mpirun and with one task in Slurm");
}

void check_video(const std::vector<Job>& jobs, const RunOptions& options) {
  for (const Job& job : jobs)
    check_format({.width = job.width,
                  .height = job.height,
                  .fps = job.fps,
                  .codec = chosen_codec(options),
                  .crf = options.crf,
                  .preset = options.preset,
                  .comment = ""});
}

void open_log_file(const Path& output) {
  make_folder(output / "log");
  log_to_file(output / "log/rank-000.log");
}

void report(const Summary& summary, const Path& output, const RunOptions& options) {
  if (options.json) std::cout << summary_line(summary) << std::endl;
  spdlog::info("{}: {} rendered, {} finished before, {} failed, {} left", output.string(), summary.done,
               summary.skipped, summary.failed, summary.left);
  if (summary.left > 0) spdlog::warn("stopped with work left: the same command goes on with it");
}

}  // namespace

int run_jobs(std::vector<Job> jobs, const Path& model, const Path& output, const RunOptions& options) {
  open_log(log_level(options), 0);
  refuse_many_processes(rank_from(environment()));
  check_video(jobs, options);
  const Execution execution = chosen_execution(options);
  if (options.dry_run) return dry_run(jobs, model, output, options, execution);

  install_stop_signals();
  const ModelParts parts = read_model(ready_model(model), execution.precision);
  Models models(parts, plan_alone(parts, jobs, execution, options));
  RunFolder folder(output);
  open_log_file(output);
  folder.settle_seeds(jobs);
  const Summary summary = work(jobs, folder, models, options);
  report(summary, output, options);
  return exit_code(summary);
}

}  // namespace wf
