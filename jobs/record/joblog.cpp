#include "jobs/record/joblog.hpp"

#include <spdlog/fmt/fmt.h>

namespace wf {
namespace {

/// What has to precede the next line: the head line, the end of a torn line, or nothing.
std::string beginning(const Path& file) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(file, error);
  if (error || bytes == 0) return "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";
  return ends_in_a_line(file) ? "\n" : "";
}

std::string on_one_line(std::string text) {
  for (char& c : text)
    if (c == '\t' || c == '\n' || c == '\r') c = ' ';
  return text;
}

}  // namespace

std::string joblog_line(const JoblogEntry& e) {
  return fmt::format("{}\t{}\t{:.3f}\t{:10.3f}\t0\t{}\t{}\t0\t{}\n", e.seq, on_one_line(e.host), e.began, e.seconds,
                     e.received, e.exit_code, on_one_line(e.command));
}

Joblog::Joblog(const Path& file) : file_(file) {
  if (const std::string text = beginning(file); !text.empty()) file_.append(text);
}

}  // namespace wf
