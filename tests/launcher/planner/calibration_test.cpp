// tests/launcher/planner/calibration_test.cpp: where measured figures are kept, and what they replace.
#include "launcher/planner/calibration.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "tests/launcher/program.hpp"

namespace wf {
namespace {

TEST(Calibration, IsKeptPerKindAndFoundInTheUsersCache) {
  const TempFolder folder;
  EXPECT_EQ(calibration_file({{"WANFARM_CACHE", "/a"}, {"XDG_CACHE_HOME", "/b"}, {"HOME", "/c"}}),
            "/a/calibration.json");
  EXPECT_EQ(calibration_file({{"XDG_CACHE_HOME", "/b"}, {"HOME", "/c"}}), "/b/wanfarm/calibration.json");
  EXPECT_EQ(calibration_file({{"HOME", "/c"}}), "/c/.cache/wanfarm/calibration.json");
  const Path file = folder.path() / "made/calibration.json";
  GpuFigures cpu = cpu_figures(4), gpu = gpu_figures("h100");
  cpu.source = "lab", cpu.token_seconds = 0.25, gpu.token_seconds = 5e-5;
  save_calibration(cpu, file);
  save_calibration(gpu, file);
  cpu.token_seconds = 0.5;
  save_calibration(cpu, file);
  EXPECT_EQ(calibrated(gpu_figures("h100"), file).token_seconds, 5e-5);
  const GpuFigures kept = chosen_figures("cpu", 2, file);
  EXPECT_EQ(kept.source, "lab");
  EXPECT_DOUBLE_EQ(kept.token_seconds, 1) << "measured with 4 threads, used with 2";
  write_file(file, "{}");
  EXPECT_THROW(save_calibration(cpu, file), Error) << "not a calibration";
}

TEST(Calibration, OverridesTheFiguresThatItHasAndIsCheckedKeyByKey) {
  const TempFolder folder;
  const Path file = folder.path() / "calibration.json";
  const auto with = [&](const std::string& json) {
    write_file(file, json);
    return calibrated(gpu_figures("h100"), file);
  };
  const GpuFigures measured =
      with(R"({"wanfarm_calibration": 1, "gpus": {"h100": {"token_seconds": 5e-5, "source": "lab"}}})");
  EXPECT_EQ(measured.token_seconds, 5e-5);
  EXPECT_EQ(measured.pair_seconds, gpu_figures("h100").pair_seconds);
  EXPECT_EQ(measured.source, "lab");
  EXPECT_EQ(with(R"({"wanfarm_calibration": 1, "gpus": {"a100": {"token_seconds": 1}}})").source,
            gpu_figures("h100").source);
  for (const char* broken : {"", "[]", "{}", R"({"wanfarm_calibration": 2, "gpus": {}})",
                             R"({"wanfarm_calibration": 1, "gpus": {"h100": {"token_second": 1}}})",
                             R"({"wanfarm_calibration": 1, "gpus": {"h100": {"token_seconds": -1}}})",
                             R"({"wanfarm_calibration": 1, "gpus": {"h100": {"token_seconds": "1"}}})"})
    EXPECT_THROW(with(broken), Error) << broken;
}

}  // namespace
}  // namespace wf
