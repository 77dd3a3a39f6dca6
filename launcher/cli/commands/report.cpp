// launcher/cli/commands/report.cpp: wanfarm report RUN: writes a run as one HTML file.
#include "launcher/report/report.hpp"

#include <iostream>
#include <memory>

#include "base/log.hpp"
#include "launcher/cli/commands/commands.hpp"

namespace wf {
namespace {

struct ReportOptions {
  Path run;
  std::optional<Path> file;
};

int report(const ReportOptions& options) {
  open_log(LogLevel::warn, 0);
  const Path file = options.file.value_or(options.run / "report.html");
  write_report(options.run, file);
  std::cout << file.string() << '\n';
  return 0;
}

}  // namespace

Command report_command() {
  const auto options = std::make_shared<ReportOptions>();
  return {.name = "report",
          .summary = "Write a run as one HTML file: contact sheet, settings, times, failures, what each rank did",
          .examples =
              "  wanfarm report renders                       writes renders/report.html; open it in a browser\n"
              "  wanfarm report renders --output /tmp/r.html\n",
          .flags = {{"RUN", "FOLDER", "the output folder of a run, which may still be at work", into(options->run)},
                    {"--output", "FILE", "the file to write (RUN/report.html)", into(options->file)}},
          .run = [options] { return report(*options); }};
}

}  // namespace wf
