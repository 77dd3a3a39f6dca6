// The wire format: 4 bytes n (native order), n bytes of MessagePack {"k": index in the variant, the message's members},
// and for a StateChunk its bytes, which are so neither copied into the map nor escaped.
#include "launcher/run/messages.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.hpp"

namespace wf {

using Json = nlohmann::json;

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Activity, clip, stage, step, steps)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(WorkUnderWay, number, clip, part, progress)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(StashedState, clip, first, holder)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(RankResources, host, device_name, gpu, memory_bytes, host_bytes, host_free, threads)

namespace message {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Heartbeat, activity, work, stop)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Abort, exit_code, why)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Lost, rank, why, exit_code)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Farewell, trace)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Hello, resources, settings, kind, problem)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Start, run)
template <class Empty>
requires std::is_empty_v<Empty>
void to_json(Json& json, const Empty&) { json = Json::object(); }
template <class Empty>
requires std::is_empty_v<Empty>
void from_json(const Json&, Empty&) {}
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Ready, kind, problem)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(NearlyIdle, group)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(RequestWork, group)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(StateFetched, group, clip)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(HandedOver, group, clip, seconds)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Done, group, clip, seconds, sidecar)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Failed, group, clip, kind, what)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Interrupted, group, clip, stage)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Assign, clip, first, last, holder, is_new)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(PrefetchHint, stashed)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ChangeRole, role, peers)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(NoMoreWork, keep_stashed)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(JoinStage, clip, stage)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(CancelClip, clip)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(FetchState, clip, number, offset)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(StateChunk, number, offset, total)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ReleaseState, clip)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(RequestWeights, number, role)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(WeightHandles, number, handles)

}  // namespace message

namespace {

/// The alternative with this number, from its JSON.
template <std::size_t i = 0>
Message alternative(std::size_t number, const Json& json) {
  if constexpr (i < std::variant_size_v<Message>) {
    if (number == i) return json.get<std::variant_alternative_t<i, Message>>();
    return alternative<i + 1>(number, json);
  }
  throw Error(Error::internal, "a message of an unknown kind");
}

}  // namespace

std::string to_string(const Activity& activity) {
  if (activity.clip.empty()) return "waiting";
  const std::string steps = activity.steps > 1 ? fmt::format(" {}/{}", activity.step, activity.steps) : "";
  return fmt::format("{} {}{}", activity.clip, to_string(activity.stage), steps);
}

Bytes to_bytes(const Message& message) {
  Json json = std::visit([](const auto& alternative) { return Json(alternative); }, message);
  json["k"] = message.index();
  const Bytes head = Json::to_msgpack(json);
  const auto size = static_cast<std::uint32_t>(head.size());
  const auto* const chunk = std::get_if<message::StateChunk>(&message);
  Bytes bytes(sizeof size + head.size() + (chunk ? chunk->bytes.size() : 0));
  std::memcpy(bytes.data(), &size, sizeof size);
  const auto behind = std::copy(head.begin(), head.end(), bytes.begin() + sizeof size);
  if (chunk) std::copy(chunk->bytes.begin(), chunk->bytes.end(), behind);
  return bytes;
}

Message to_message(const Bytes& bytes) {
  try {
    std::uint32_t size = 0;
    if (bytes.size() < sizeof size) throw Error(Error::internal, "a message that is cut short");
    std::memcpy(&size, bytes.data(), sizeof size);
    const auto begin = bytes.begin() + sizeof size;
    if (size > static_cast<std::size_t>(bytes.end() - begin))
      throw Error(Error::internal, "a message that is cut short");
    const Json json = Json::from_msgpack(begin, begin + size);
    Message message = alternative(json.at("k").get<std::size_t>(), json);
    if (auto* const chunk = std::get_if<message::StateChunk>(&message)) chunk->bytes.assign(begin + size, bytes.end());
    return message;
  } catch (const Json::exception& error) {
    throw Error(Error::internal,
                std::string("a message that cannot be read; do all ranks run the same program? ") + error.what());
  }
}

}  // namespace wf
