#include "launcher/report/report.hpp"

#include <chrono>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "launcher/report/assets.hpp"
#include "launcher/report/contact_sheets.hpp"
#include "launcher/report/failures.hpp"
#include "launcher/report/markup.hpp"
#include "launcher/report/old_run.hpp"
#include "launcher/report/rank_chart.hpp"
#include "launcher/report/summary.hpp"
#include "launcher/report/text.hpp"

namespace wf {
namespace {

/// What is recorded, or else what the sidecars tell. Throws Error(input) when there is neither.
RunHistory read_run(const Path& output) {
  try {
    return read_history(output);
  } catch (const Error& error) {
    RunHistory old = history_from_sidecars(output);
    if (error.kind() != Error::input || old.clips.empty()) throw;
    return old;
  }
}

}  // namespace

std::string report_of(const RunHistory& history, const Path& folder, double now, const SheetOf& sheet_of) {
  const bool alive = liveness(history, now) == Liveness::alive;
  const RankActivity activity = rank_activity(history.journal.events, alive ? now : 0);
  return fill("page",
              {{"title", title_of(history)},
               {"version", history.info ? history.info->version : ""},
               {"made", time_text(now) + " " + time_zone()},
               {"style_hash", policy_hash(report_css)},
               {"script_hash", policy_hash(report_js)},
               {"style", std::string(report_css)},
               {"script", std::string(report_js)},
               {"summary", summary_section(history, activity, now)},
               {"chart", rank_chart(activity, history.info ? history.info->ranks : std::vector<RunInfo::Rank>())},
               {"failures", failures_section(history)},
               {"clips", clips_section(history, folder, sheet_of)}});
}

void write_report(const Path& output, const Path& file) {
  const RunHistory history = read_run(output);
  const double now = unix_time();
  const Path folder = std::filesystem::absolute(file).parent_path();
  write_file(
      file, report_of(history, folder, now, [&](const ClipHistory& clip) { return contact_sheet_file(output, clip); }));
}

}  // namespace wf
