#include "launcher/run/run_spec.hpp"

#include "base/error.hpp"
#include "jobs/model_json.hpp"
#include "jobs/output/job_json.hpp"

namespace wf {

using Json = nlohmann::ordered_json;

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Degrees, guidance, ulysses, ring)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Pool, name, stages, groups)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(PlacementPlan, mode, degrees, pools, precision, text, guidance, split_decode,
                                   offload_expert_for_decode, streamed_blocks, stashed, loads_behind, draft)

std::string packed(const RunSpec& start) {
  Json jobs = Json::array();
  for (const Job& job : start.jobs) jobs.push_back(json_of(job));
  const Json json{{"jobs", std::move(jobs)},    {"model", json_of(start.model)}, {"output", start.output.string()},
                  {"model_id", start.model_id}, {"word", start.nonce},           {"plan", nlohmann::json(start.plan)},
                  {"finished", start.finished}, {"stopped", start.stopped}};
  std::string bytes;
  Json::to_msgpack(json, bytes);
  return bytes;
}

RunSpec run_spec_from(const std::string& packed) {
  try {
    const Json json = Json::from_msgpack(packed);
    RunSpec start{.jobs = {},
                  .model = model_source_from(json.at("model")),
                  .output = json.at("output").get<std::string>(),
                  .model_id = json.at("model_id"),
                  .nonce = json.at("word"),
                  .plan = nlohmann::json(json.at("plan")).get<PlacementPlan>(),
                  .finished = json.at("finished"),
                  .stopped = json.at("stopped")};
    for (const Json& job : json.at("jobs")) start.jobs.push_back(job_from(job));
    return start;
  } catch (const Json::exception& error) {
    throw Error(Error::internal, std::string("what rank 0 sent of the run cannot be read: ") + error.what());
  }
}

}  // namespace wf
