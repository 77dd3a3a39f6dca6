#include "jobs/output/sidecar.hpp"

#include "base/error.hpp"
#include "jobs/output/job_json.hpp"

namespace wf {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const ModelRecord& model) {
  Json json = Json::object();
  for (const auto& [part, file] : model.parts) json[part] = file;
  for (const ModelRecord::Lora& lora : model.loras) {
    Json strength = Json::object();
    if (lora.high) strength["high"] = *lora.high;
    if (lora.low) strength["low"] = *lora.low;
    json["loras"].push_back({{"file", lora.file}, {"identity", lora.identity}, {"strength", strength}});
  }
  return json;
}

std::optional<double> strength_from(const Json& strengths, const char* expert) {
  return strengths.contains(expert) ? std::optional(strengths.at(expert).get<double>()) : std::nullopt;
}

ModelRecord model_record_from(const Json& json) {
  ModelRecord model;
  for (const auto& [key, value] : json.items())
    if (key != "loras") model.parts[key] = value.get<std::string>();
  for (const Json& lora : json.value("loras", Json::array())) {
    const Json& strength = lora.at("strength");
    model.loras.push_back({lora.at("file").get<std::string>(), lora.at("identity").get<std::string>(),
                           strength_from(strength, "high"), strength_from(strength, "low")});
  }
  return model;
}

/// What was asked for to save forwards, and which were saved: `how` tells it to readers, who need not know that `job`
/// holds it as well.
Json how_of(const Job& job) {
  Json how = Json::object();
  if (job.step_cache) {
    how["step_cache"] = to_string(*job.step_cache);
    how["skipped_conditional"] = job.saved.conditional;
    how["skipped_unconditional"] = job.saved.unconditional;
  }
  if (job.guidance_interval) {
    how["guidance_interval"] = to_string(*job.guidance_interval);
    how["unguided"] = job.saved.unguided;
  }
  return how;
}

Sidecar from(const Json& json) {
  const Json& video = json.at("video");
  Sidecar sidecar;
  sidecar.job = job_from(json.at("job"));
  sidecar.recipe = recipe_from(json.at("recipe"));
  sidecar.fingerprint = json.at("fingerprint").get<std::string>();
  sidecar.version = json.at("version").get<std::string>();
  sidecar.video_file = video.at("file").get<std::string>();
  if (!video.at("bytes").is_number_unsigned()) throw Error(Error::input, "bytes is not a size");
  sidecar.video_bytes = video.at("bytes").get<std::uint64_t>();
  sidecar.codec = video.at("codec").get<std::string>();
  const Json told_by_job = how_of(sidecar.job);
  for (const auto& [key, value] : json.at("how").items()) {
    if (key == "model")
      sidecar.model = model_record_from(value);
    else if (!told_by_job.contains(key))
      sidecar.how[key] = value.get<std::string>();
  }
  for (const auto& [stage, value] : json.at("seconds").items()) sidecar.seconds[stage] = value.get<double>();
  sidecar.latents_sha256 = json.at("latents_sha256").get<std::string>();
  sidecar.frames_sha256 = json.at("frames_sha256").get<std::string>();
  sidecar.file_sha256 = json.value("file_sha256", "");
  return sidecar;
}

}  // namespace

double total_seconds(const std::map<std::string, double>& seconds) {
  double sum = 0;
  for (const auto& [stage, spent] : seconds) sum += spent;
  return sum;
}

std::string to_json(const Sidecar& sidecar) {
  Json json = {{"job", json_of(sidecar.job)},
               {"recipe", json_of(sidecar.recipe)},
               {"fingerprint", sidecar.fingerprint},
               {"version", sidecar.version},
               {"video", {{"file", sidecar.video_file}, {"bytes", sidecar.video_bytes}, {"codec", sidecar.codec}}},
               {"how", how_of(sidecar.job)},
               {"seconds", Json::object()},
               {"latents_sha256", sidecar.latents_sha256},
               {"frames_sha256", sidecar.frames_sha256}};
  for (const auto& [key, value] : sidecar.how) json["how"][key] = value;
  if (sidecar.model != ModelRecord{}) json["how"]["model"] = json_of(sidecar.model);
  for (const auto& [stage, value] : sidecar.seconds) json["seconds"][stage] = value;
  if (!sidecar.file_sha256.empty()) json["file_sha256"] = sidecar.file_sha256;
  // Texts of libraries in `how` may have any encoding, which must not prevent the sidecar from being written.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Sidecar sidecar_from(const std::string& json) {
  try {
    return from(Json::parse(json));
  } catch (const std::exception& error) {
    throw Error(Error::input, std::string("is not a clip's sidecar: ") + error.what());
  }
}

Sidecar read_sidecar(const Path& file) {
  const std::string text = read_file(file);
  try {
    return sidecar_from(text);
  } catch (const Error& error) {
    throw Error(error.kind(), file.string() + ": " + error.what());
  }
}

}  // namespace wf
