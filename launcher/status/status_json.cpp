#include "launcher/status/status_json.hpp"

#include "jobs/model_json.hpp"
#include "jobs/output/fingerprint.hpp"
#include "launcher/status/figures.hpp"

namespace wf {
namespace {

using Json = nlohmann::ordered_json;

Json known(double value, double least = 0) { return value >= least ? Json(value) : Json(); }
Json known(const std::string& text) { return text.empty() ? Json() : Json(text); }
constexpr double above_zero = 1e-9;

Json counts_json(const ClipCounts& counts) {
  Json json = {{"total", counts.total}};
  for (std::size_t i = 0; i < counts.by_state.size(); ++i)
    json[std::string(to_string(static_cast<ClipState>(i)))] = counts.by_state[i];
  json["found"] = counts.found;
  return json;
}

Json rank_json(const RunHistory& history, std::size_t number) {
  Json json = {{"rank", number}};
  const RunInfo::Rank* const info =
      history.info && number < history.info->ranks.size() ? &history.info->ranks[number] : nullptr;
  json["node"] = info ? known(info->host) : Json();
  json["device"] = info ? known(info->device) : Json();
  json["leader"] = info ? Json(info->leader) : Json();
  const LiveStatus* const status = current_status(history);
  if (!status || number >= status->ranks.size()) return json;
  const LiveStatus::Rank& rank = status->ranks[number];
  json["lost"] = rank.lost;
  json["clip"] = known(rank.clip);
  json["stage"] = known(rank.stage);
  json["step"] = rank.clip.empty() ? Json() : Json(rank.step);
  json["steps"] = rank.clip.empty() ? Json() : Json(rank.steps);
  json["seconds_per_step"] = known(rank.seconds_per_step, above_zero);
  json["since"] = known(rank.since, above_zero);
  return json;
}

Json ranks_json(const RunHistory& history) {
  const LiveStatus* const status = current_status(history);
  const std::size_t count = std::max(history.info ? history.info->ranks.size() : 0, status ? status->ranks.size() : 0);
  Json json = Json::array();
  for (std::size_t i = 0; i < count; ++i) json.push_back(rank_json(history, i));
  return json;
}

Json failures_json(const RunHistory& history) {
  Json json = Json::array();
  for (const FailureKind& failure : failures_by_kind(history)) {
    Json names = Json::array();
    for (const std::size_t clip : failure.clips) names.push_back(history.clips[clip].clip.job.name);
    json.push_back({{"kind", failure.kind}, {"count", failure.clips.size()}, {"clips", names}});
  }
  return json;
}

Json run_json(const RunHistory& history, double now) {
  Json json = {{"folder", history.output.string()},
               {"state", state_of(history, now)},
               {"heard_seconds_ago", silence_of(history, now)},
               {"exit_code", history.exit_code ? Json(*history.exit_code) : Json()},
               {"summary", known(history.ended)},
               {"epoch", history.journal.last_epoch}};
  if (history.shards.all > 0) json["shards"] = {{"begun", history.shards.begun}, {"all", history.shards.all}};
  if (!history.info) return json;
  json.update({{"id", history.info->id},
               {"host", history.info->host},
               {"pid", history.info->pid},
               {"started", history.info->started},
               {"version", history.info->version},
               {"command", history.info->command},
               {"working_folder", history.info->folder},
               {"model", json_of(history.info->model)},
               {"placement", history.info->placement}});
  return json;
}

Json outlook_json(const Outlook& outlook) {
  return {{"share", outlook.share},
          {"eta_seconds", known(outlook.seconds_left)},
          {"eta_least", known(outlook.least)},
          {"eta_most", known(outlook.most)},
          {"clips_per_hour", known(outlook.clips_per_hour, above_zero)}};
}

}  // namespace

Json clip_json(const ClipHistory& clip) {
  return {{"name", clip.clip.job.name},
          {"state", to_string(clip.state)},
          {"found", clip.found},
          {"attempts", clip.attempts},
          {"rank", clip.rank < 0 ? Json() : Json(clip.rank)},
          {"stage", known(clip.stage)},
          {"file", known(clip.file)},
          {"error_kind", known(clip.error_kind)},
          {"error", known(clip.error)},
          {"began", known(clip.began, above_zero)},
          {"ended", known(clip.ended, above_zero)},
          {"seconds", clip.seconds},
          {"fingerprint", clip.clip.fingerprint},
          {"job", Json::parse(to_json(clip.clip.job))}};
}

Json status_json(const RunHistory& history, double now, bool clips, const std::optional<SlurmView>& job) {
  Json json = run_json(history, now);
  json["slurm"] = job ? slurm_json(*job) : Json();
  json["clips"] = counts_json(count_clips(history));
  json.update(outlook_json(outlook_of(history, now)));
  json["ranks"] = ranks_json(history);
  json["failures"] = failures_json(history);
  json["journal"] = {{"events", history.journal.events.size()},
                     {"damaged", history.journal.damaged},
                     {"fenced", history.journal.fenced},
                     {"repeated", history.journal.repeated}};
  if (!clips) return json;
  json["clip_list"] = Json::array();
  for (const ClipHistory& clip : history.clips) json["clip_list"].push_back(clip_json(clip));
  return json;
}

}  // namespace wf
