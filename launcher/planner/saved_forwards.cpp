#include "launcher/planner/saved_forwards.hpp"

#include <algorithm>
#include <map>
#include <span>
#include <utility>

#include "base/error.hpp"
#include "base/text.hpp"
#include "jobs/schedule/step_cache.hpp"
#include "jobs/step_cache_file.hpp"
#include "launcher/planner/calibration.hpp"
#include "pipeline/stages/solver.hpp"

namespace wf {
namespace {

bool has_published_size(const DitConfig& expert) { return expert.dim == 5120 && expert.num_layers == 40; }

bool is_file(const Path& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

/// The table in the model's folder; a broken one is a fault of the model.
StepCacheTable table_of_model(const Path& file) {
  try {
    return *read_step_cache(file).table;
  } catch (const Error& error) {
    throw Error(Error::environment, error.what());
  }
}

/// The tables of one model, each read once.
class Tables {
 public:
  explicit Tables(const ModelParts& parts) : parts_(parts) {}

  /// The job's own table, or else the model's for the job's schedule. The reference lives as long as both.
  const StepCacheTable& of(const Job& job) {
    if (job.step_cache->table) return *job.step_cache->table;
    const std::pair schedule(job.solver, job.shift);
    auto known = known_.find(schedule);
    if (known == known_.end()) known = known_.emplace(schedule, find(job)).first;
    return known->second;
  }

  std::vector<std::string> notes() const {
    if (!is_published_) return {};
    return {
        "step cache: the model has no table of its own, and the one published for Wan 2.2 T2V-A14B is taken "
        "(`wanfarm calibrate-cache` measures one)"};
  }

 private:
  StepCacheTable find(const Job& job) {
    const Path own = step_cache_file(parts_.id, job, environment()), of_model = parts_.files.root / "step-cache.json";
    if (is_file(own)) return *read_step_cache(own).table;
    if (is_file(of_model)) return table_of_model(of_model);
    if (!has_published_size(parts_.expert))
      throw Error(Error::input, "no step cache table for this model; `wanfarm calibrate-cache` makes one");
    is_published_ = true;
    return published_step_cache_table();
  }

  const ModelParts& parts_;
  std::map<std::pair<SolverKind, double>, StepCacheTable> known_;
  bool is_published_ = false;
};

SavedForwards saved_of(const Job& job, Tables& tables) {
  const auto steps_of_high = [](const Schedule& schedule) { return static_cast<int>(high_noise_steps(schedule)); };
  const Schedule schedule = make_schedule(job.solver, job.steps, job.shift);
  const StepLevels levels{std::span(schedule.sigmas).first(static_cast<std::size_t>(job.steps)),
                          steps_of_high(schedule)};
  if (!job.step_cache) return saved_forwards(job, levels, nullptr, 0);
  const StepCacheTable& table = tables.of(job);
  const int length = static_cast<int>(table.conditional.size());
  const int high_in_table =
      table.high_noise_steps ? *table.high_noise_steps : steps_of_high(make_schedule(job.solver, length, job.shift));
  return saved_forwards(job, levels, &table, high_in_table);
}

/// Everything that decides which forwards are saved.
bool saves_the_same(const Job& a, const Job& b) {
  return a.steps == b.steps && a.shift == b.shift && a.solver == b.solver && a.guidance == b.guidance &&
         a.guidance_interval == b.guidance_interval && a.step_cache == b.step_cache;
}

}  // namespace

Path step_cache_file(const std::string& model_id, const Job& job, const Environment& variables) {
  const std::string name = model_id + "-" + std::string(to_string(job.solver)) + "-" + shortest(job.shift) + ".json";
  return calibration_file(variables).parent_path() / "step-cache" / name;
}

bool saves_forwards(const std::vector<Job>& jobs) {
  return std::ranges::any_of(jobs, [](const Job& job) { return job.step_cache || job.guidance_interval; });
}

std::vector<std::string> find_saved_forwards(std::vector<Job>& jobs, const ModelParts& parts) {
  Tables tables(parts);
  const Job* last = nullptr;  // clips of one list mostly save the same
  for (Job& job : jobs) {
    if (!job.step_cache && !job.guidance_interval) continue;
    job.saved = last && saves_the_same(*last, job) ? last->saved
                                                   : within("job " + job.name, [&] { return saved_of(job, tables); });
    last = &job;
  }
  return tables.notes();
}

}  // namespace wf
