// On the wire: MessagePack of {"k": place in the variant, and the letter's members}. A piece's bytes follow behind.
#include "launcher/farm/letters.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "cluster/error.hpp"

namespace wf {

using Json = nlohmann::json;

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Activity, clip, stage, step, steps)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Parked, clip, first, holder)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(RankFacts, host, device_name, memory_bytes, host_bytes, threads)

namespace letter {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Beat, activity, stop)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Abort, exit_code, why)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Farewell, trace)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Hello, facts)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Start, run)
template <class Empty>
requires std::is_empty_v<Empty>
void to_json(Json& json, const Empty&) { json = Json::object(); }
template <class Empty>
requires std::is_empty_v<Empty>
void from_json(const Json&, Empty&) {}
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Ready, kind, problem)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Ending, group)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Ask, group)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Pulled, group, clip)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(HandedOver, group, clip, seconds)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Done, group, clip, seconds, sidecar)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Failed, group, clip, kind, what)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Interrupted, group, clip, stage)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Assign, clip, first, last, holder)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Ahead, parked)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ChangeRole, role, lenders)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(NothingMore, keep_parked)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Join, clip, stage)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Pull, clip, number, offset)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Piece, number, offset, total)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Release, clip)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(WantWeights, number, role)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Weights, number, handles)

}  // namespace letter

namespace {

/// The alternative with this number, from its JSON.
template <std::size_t i = 0>
Message alternative(std::size_t number, const Json& json) {
  if constexpr (i < std::variant_size_v<Message>) {
    if (number == i) return json.get<std::variant_alternative_t<i, Message>>();
    return alternative<i + 1>(number, json);
  }
  throw Error(Error::internal, "a letter of an unknown kind");
}

}  // namespace

std::string words(const Activity& activity) {
  if (activity.clip.empty()) return "waiting";
  const std::string steps = activity.steps > 1 ? fmt::format(" {}/{}", activity.step, activity.steps) : "";
  return fmt::format("{} {}{}", activity.clip, to_string(activity.stage), steps);
}

Bytes to_bytes(const Message& message) {
  Json json = std::visit([](const auto& letter) { return Json(letter); }, message);
  json["k"] = message.index();
  const Bytes head = Json::to_msgpack(json);
  const auto size = static_cast<std::uint32_t>(head.size());
  const auto* const piece = std::get_if<letter::Piece>(&message);
  Bytes bytes(sizeof size + head.size() + (piece ? piece->bytes.size() : 0));
  std::memcpy(bytes.data(), &size, sizeof size);
  const auto behind = std::copy(head.begin(), head.end(), bytes.begin() + sizeof size);
  if (piece) std::copy(piece->bytes.begin(), piece->bytes.end(), behind);
  return bytes;
}

Message to_message(const Bytes& bytes) {
  try {
    std::uint32_t size = 0;
    if (bytes.size() < sizeof size) throw Error(Error::internal, "a letter that is cut short");
    std::memcpy(&size, bytes.data(), sizeof size);
    const auto begin = bytes.begin() + sizeof size;
    if (size > static_cast<std::size_t>(bytes.end() - begin))
      throw Error(Error::internal, "a letter that is cut short");
    const Json json = Json::from_msgpack(begin, begin + size);
    Message message = alternative(json.at("k").get<std::size_t>(), json);
    if (auto* const piece = std::get_if<letter::Piece>(&message)) piece->bytes.assign(begin + size, bytes.end());
    return message;
  } catch (const Json::exception& error) {
    throw Error(Error::internal,
                std::string("a letter that cannot be read; do all ranks run the same program? ") + error.what());
  }
}

}  // namespace wf
