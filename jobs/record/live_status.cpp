#include "jobs/record/live_status.hpp"

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "jobs/output/publish.hpp"

namespace wf {
namespace {

using Json = nlohmann::ordered_json;

Path status_file(const Path& output) { return hidden_folder(output) / "status.json"; }

Json json_of(const LiveStatus::Rank& rank) {
  return {{"lost", rank.lost},  {"clip", rank.clip},   {"stage", rank.stage},
          {"step", rank.step},  {"steps", rank.steps}, {"seconds_per_step", rank.seconds_per_step},
          {"since", rank.since}};
}

LiveStatus::Rank rank_from(const Json& json) {
  return {.lost = json.at("lost").get<bool>(),
          .clip = json.at("clip").get<std::string>(),
          .stage = json.at("stage").get<std::string>(),
          .step = json.at("step").get<std::int64_t>(),
          .steps = json.at("steps").get<std::int64_t>(),
          .seconds_per_step = json.at("seconds_per_step").get<double>(),
          .since = json.at("since").get<double>()};
}

/// Everything but the ranks.
Json summary_of(const LiveStatus& status) {
  return {{"epoch", status.epoch},
          {"time", status.time},
          {"state", status.state},
          {"clips", status.clips},
          {"done", status.done},
          {"found", status.found},
          {"failed", status.failed},
          {"quarantined", status.quarantined},
          {"cancelled", status.cancelled},
          {"failures", status.failures},
          {"share", status.share},
          {"eta_seconds", status.eta_seconds},
          {"eta_least", status.eta_least},
          {"eta_most", status.eta_most},
          {"clips_per_hour", status.clips_per_hour}};
}

LiveStatus status_from(const Json& json) {
  LiveStatus status{.epoch = json.at("epoch").get<std::int64_t>(),
                    .time = json.at("time").get<double>(),
                    .state = json.at("state").get<std::string>(),
                    .clips = json.at("clips").get<std::size_t>(),
                    .done = json.at("done").get<std::size_t>(),
                    .found = json.at("found").get<std::size_t>(),
                    .failed = json.at("failed").get<std::size_t>(),
                    .quarantined = json.at("quarantined").get<std::size_t>(),
                    .cancelled = json.at("cancelled").get<std::size_t>(),
                    .failures = json.at("failures").get<std::map<std::string, std::size_t>>(),
                    .share = json.at("share").get<double>(),
                    .eta_seconds = json.at("eta_seconds").get<double>(),
                    .eta_least = json.at("eta_least").get<double>(),
                    .eta_most = json.at("eta_most").get<double>(),
                    .clips_per_hour = json.at("clips_per_hour").get<double>(),
                    .ranks = {}};
  for (const Json& rank : json.at("ranks")) status.ranks.push_back(rank_from(rank));
  return status;
}

}  // namespace

void write_live_status(const Path& output, const LiveStatus& status) {
  Json json = summary_of(status);
  json["ranks"] = Json::array();
  for (const LiveStatus::Rank& rank : status.ranks) json["ranks"].push_back(json_of(rank));
  replace_file(status_file(output), json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

std::optional<LiveStatus> read_live_status(const Path& output) {
  try {
    return status_from(Json::parse(read_file(status_file(output))));
  } catch (const std::exception&) {
    return {};
  }
}

}  // namespace wf
