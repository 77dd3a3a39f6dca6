#include "jobs/record/run_info.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/check.hpp"
#include "base/error.hpp"
#include "jobs/model_json.hpp"
#include "jobs/output/job_json.hpp"
#include "jobs/output/publish.hpp"

namespace wf {
namespace {

using Json = nlohmann::ordered_json;

Path list_file(const Path& output) { return hidden_folder(output) / "clips.jsonl"; }

std::string text_of(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json json_of(const RunInfo& info) {
  Json json = {{"id", info.id},
               {"epoch", info.epoch},
               {"started", info.started},
               {"host", info.host},
               {"pid", info.pid},
               {"version", info.version},
               {"command", info.command},
               {"folder", info.folder},
               {"model", json_of(info.model)},
               {"placement", info.placement},
               {"precision", info.precision},
               {"codec", info.codec},
               {"settings", info.settings},
               {"ranks", Json::array()}};
  for (const RunInfo::Rank& rank : info.ranks)
    json["ranks"].push_back({{"host", rank.host}, {"device", rank.device}, {"leader", rank.leader}});
  return json;
}

RunInfo info_from(const Json& json) {
  RunInfo info{.id = json.at("id").get<std::string>(),
               .epoch = json.at("epoch").get<std::int64_t>(),
               .started = json.at("started").get<double>(),
               .host = json.at("host").get<std::string>(),
               .pid = json.at("pid").get<std::int64_t>(),
               .version = json.at("version").get<std::string>(),
               .command = json.at("command").get<std::vector<std::string>>(),
               .folder = json.at("folder").get<std::string>(),
               .model = model_source_from(json.at("model")),
               .placement = json.at("placement").get<std::string>(),
               .precision = json.at("precision").get<std::string>(),
               .codec = json.at("codec").get<std::string>(),
               .ranks = {},
               .settings = json.at("settings").get<std::map<std::string, std::string>>()};
  for (const Json& rank : json.at("ranks"))
    info.ranks.push_back({.host = rank.at("host").get<std::string>(),
                          .device = rank.at("device").get<std::string>(),
                          .leader = rank.at("leader").get<int>()});
  return info;
}

/// The members of `json` that differ from those of `first`; null for those that `first` alone has. A job has no null
/// among its members.
Json difference(const Json& json, const Json& first) {
  Json different = Json::object();
  for (const auto& [key, value] : json.items())
    if (!first.contains(key) || value != first[key]) different[key] = value;
  for (const auto& [key, value] : first.items())
    if (!json.contains(key)) different[key] = nullptr;
  return different;
}

ListedClip clip_from(const Json& line, const Json& first) {
  Json job = first;
  for (const auto& [key, value] : line.at("job").items())
    value.is_null() ? void(job.erase(key)) : void(job[key] = value);
  return {job_from(job), line.at("fingerprint").get<std::string>()};
}

void write(const Path& output, const std::vector<ListedClip>& clips) {
  std::string text;
  const Json first = clips.empty() ? Json() : json_of(clips.front().job);
  for (std::size_t i = 0; i < clips.size(); ++i) {
    const Json job = i == 0 ? first : difference(json_of(clips[i].job), first);
    text += text_of({{"fingerprint", clips[i].fingerprint}, {"job", job}}, -1);
  }
  write_file(list_file(output), text);
}

std::vector<ListedClip> listed(const std::vector<Job>& jobs, const std::vector<std::string>& fingerprints) {
  WF_CHECK(jobs.size() == fingerprints.size());
  std::vector<ListedClip> clips;
  for (std::size_t i = 0; i < jobs.size(); ++i) clips.push_back({jobs[i], fingerprints[i]});
  return clips;
}

/// The clips that the folder knows; none when its list is broken.
std::vector<ListedClip> known_clips(const Path& output) {
  try {
    return read_clip_list(output);
  } catch (const Error&) {
    return {};
  }
}

}  // namespace

Path run_info_file(const Path& output) { return hidden_folder(output) / "run.json"; }

void write_run_info(const Path& output, const RunInfo& info) {
  write_file(run_info_file(output), text_of(json_of(info), 1));
}

std::optional<RunInfo> read_run_info(const Path& output) {
  try {
    return info_from(Json::parse(read_file(run_info_file(output))));
  } catch (const std::exception&) {
    return {};
  }
}

void write_clip_list(const Path& output, const std::vector<Job>& jobs, const std::vector<std::string>& fingerprints) {
  write(output, listed(jobs, fingerprints));
}

void add_to_clip_list(const Path& output, const std::vector<Job>& jobs, const std::vector<std::string>& fingerprints) {
  std::vector<ListedClip> clips = known_clips(output);
  std::map<std::string, std::size_t> place;
  for (std::size_t i = 0; i < clips.size(); ++i) place[clips[i].job.name] = i;
  for (const ListedClip& clip : listed(jobs, fingerprints)) {
    const auto [known, is_new] = place.try_emplace(clip.job.name, clips.size());
    if (is_new) {
      clips.push_back(clip);
      continue;
    }
    ListedClip& replaced = clips[known->second];
    const int number = replaced.job.index;  // in the folder's list, of which this one is a part
    replaced = clip;
    replaced.job.index = number;
  }
  write(output, clips);
}

std::vector<ListedClip> read_clip_list(const Path& output) {
  const Path file = list_file(output);
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return {};
  const std::string text = read_file(file);
  std::vector<ListedClip> clips;
  Json first = Json::object();
  for (std::size_t at = 0; at < text.size(); at = std::min(text.find('\n', at), text.size()) + 1) {
    try {
      const Json line = Json::parse(std::string_view(text).substr(at, text.find('\n', at) - at));
      if (clips.empty()) first = line.at("job");
      clips.push_back(clip_from(line, first));
    } catch (const std::exception& broken) {
      throw Error(Error::input, file.string() + ":" + std::to_string(clips.size() + 1) +
                                    ": is not a clip of a run (the next run writes the file anew): " + broken.what());
    }
  }
  return clips;
}

}  // namespace wf
