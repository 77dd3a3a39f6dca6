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

}  // namespace

int exit_code(const Summary& summary) {
  if (summary.left > 0) return 75;
  return summary.failed > 0 ? 1 : 0;
}

std::string done_line(const Sidecar& sidecar) { return of(sidecar, "done").dump(); }
std::string skipped_line(const Sidecar& sidecar) { return of(sidecar, "skipped").dump(); }

std::string failed_line(const Job& job, const Error& error) {
  return Json{{"name", job.name}, {"status", "failed"}, {"kind", to_string(error.kind())}, {"error", error.what()}}
      .dump();
}

std::string summary_line(const Summary& s) {
  return Json{{"summary",
               {{"done", s.done},
                {"skipped", s.skipped},
                {"failed", s.failed},
                {"left", s.left},
                {"seconds", s.seconds},
                {"exit_code", exit_code(s)}}}}
      .dump();
}

}  // namespace wf
