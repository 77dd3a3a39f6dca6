// launcher/farm/records.hpp: what a run leaves behind of its clips beside their files: results.csv, the lines of
// --json, the log, the bar on the screen, the summary.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "jobs/publish.hpp"
#include "launcher/display.hpp"
#include "launcher/farm/control.hpp"
#include "launcher/flags.hpp"
#include "launcher/results.hpp"

namespace wf {

class Records final : public Witness {
 public:
  Records(const std::vector<Job>& jobs, RunFolder& folder, const RunOptions& options, int ranks);

  void finished_before(const std::map<std::size_t, Sidecar>& clips);

  void done(std::size_t clip, const std::string& sidecar) override;
  void failed(std::size_t clip, const Error& error, bool tried_again) override;
  void at_work(const std::vector<Activity>& ranks) override { display_.at_work(ranks); }

  Summary summary(double seconds) const;

 private:
  const std::vector<Job>& jobs_;
  RunFolder& folder_;
  const RunOptions& options_;
  Display display_;
  Summary summary_;
};

}  // namespace wf
