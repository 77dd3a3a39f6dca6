// tests/launcher/report/report_sample.cpp: report_sample FILE CLIPS [RANKS]: writes the report of a made-up run, for
// tests/launcher/report/chromium_check.py and for whoever works on the look of reports.
#include <iostream>

#include "launcher/report/report.hpp"
#include "tests/launcher/report/made_up_run.hpp"

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: report_sample FILE CLIPS [RANKS]\n";
    return 2;
  }
  const wf::Path file = argv[1];
  const wf::RunHistory run = wf::test::made_up_run(std::stoi(argv[2]), argc > 3 ? std::stoi(argv[3]) : 2);
  const auto sheet_of = [](const wf::ClipHistory& clip) {
    return clip.state == wf::ClipState::done ? wf::test::made_up_sheet(clip) : "";
  };
  wf::write_file(file, wf::report_of(run, std::filesystem::current_path(), run.last_event + 60, sheet_of));
}
