#include "launcher/run/results.hpp"

#include <nlohmann/json.hpp>

namespace wf {
namespace {

using Json = nlohmann::ordered_json;

Json of(const Sidecar& s, const char* status) {
  return {{"name", s.job.name},
          {"status", status},
          {"file", s.video_file},
          {"seed", s.job.seed.value_or(-1)},
          {"fingerprint", s.fingerprint},
          {"seconds", s.seconds},
          {"latents_sha256", s.latents_sha256},
          {"frames_sha256", s.frames_sha256}};
}

/// The texts of errors name paths, which may hold any bytes; JSON has to be UTF-8.
std::string one_line(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

int exit_code(const Summary& summary) {
  if (summary.left > 0) return 75;
  return summary.failed > 0 ? 1 : 0;
}

std::string done_line(const Sidecar& sidecar) { return one_line(of(sidecar, "done")); }
std::string skipped_line(const Sidecar& sidecar) { return one_line(of(sidecar, "skipped")); }

std::string failed_line(const Job& job, const Error& error) {
  return one_line(
      {{"name", job.name}, {"status", "failed"}, {"kind", to_string(error.kind())}, {"error", error.what()}});
}

std::string summary_line(const Summary& s) {
  return one_line({{"summary",
                    {{"done", s.done},
                     {"skipped", s.skipped},
                     {"failed", s.failed},
                     {"left", s.left},
                     {"seconds", s.seconds},
                     {"exit_code", exit_code(s)}}}});
}

}  // namespace wf
