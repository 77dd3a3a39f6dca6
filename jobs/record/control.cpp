#include "jobs/record/control.hpp"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/machine.hpp"
#include "jobs/output/publish.hpp"

namespace wf {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, 5> names{"drain", "pause", "resume", "cancel", "retry"};

Path control_folder(const Path& output) { return hidden_folder(output) / "control"; }

/// A name that no other request has, and that comes behind those of earlier requests.
std::string request_name() {
  static std::atomic<int> requests = 0;
  const auto time = std::chrono::system_clock::now().time_since_epoch();
  const auto nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
  return fmt::format("{:020}-{}-{}-{}.json", nanoseconds, host_name(), ::getpid(), requests++);
}

/// The requests' files, oldest first. A request that is being written does not have its name yet.
std::vector<Path> request_files(const Path& folder) {
  std::vector<Path> files;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    if (entry->path().extension() != ".part") files.push_back(entry->path());
  std::ranges::sort(files);
  return files;
}

ControlRequest request_from(const Json& json) {
  const auto name = json.at("action").get<std::string>();
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) throw Error(Error::input, "no such action: " + name);
  return {static_cast<ControlRequest::Action>(found - names.begin()), json.value("clip", "")};
}

std::optional<ControlRequest> read_request(const Path& file) {
  try {
    return request_from(Json::parse(read_file(file)));
  } catch (const std::exception& error) {
    spdlog::warn("{}: is not a request, and is removed: {}", file.string(), error.what());
    return {};
  }
}

}  // namespace

std::string_view to_string(ControlRequest::Action action) noexcept { return names[action]; }

bool is_about_clips(ControlRequest::Action action) noexcept {
  return action == ControlRequest::cancel || action == ControlRequest::retry;
}

Path leave_request(const Path& output, const ControlRequest& request) {
  make_folder(control_folder(output));
  const Path file = control_folder(output) / request_name();
  const Json json = {{"action", to_string(request.action)}, {"clip", request.clip}};
  write_file(file, json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  return file;
}

std::vector<ControlRequest> take_requests(const Path& output,
                                          const std::function<bool(const ControlRequest&)>& leaves) {
  std::vector<ControlRequest> requests;
  for (const Path& file : request_files(control_folder(output))) {
    const auto request = read_request(file);
    if (request && leaves && leaves(*request)) continue;
    std::error_code error;
    std::filesystem::remove_all(file, error);
    if (error && !requests.empty()) return requests;  // the next call throws
    if (error) throw Error(Error::storage, file.string() + ": cannot be removed: " + error.message());
    if (request) requests.push_back(*request);
  }
  return requests;
}

}  // namespace wf
