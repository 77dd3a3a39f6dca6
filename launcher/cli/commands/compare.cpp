// launcher/cli/commands/compare.cpp: wanfarm compare A B: measures the difference of two videos.
#include "pipeline/video/compare.hpp"

#include <iomanip>
#include <iostream>
#include <memory>

#include "launcher/cli/commands/commands.hpp"

namespace wf {
namespace {

struct CompareOptions {
  Path a, b;
};

int compare_videos(const CompareOptions& options) {
  const Comparison result = compare(options.a, options.b);
  std::cout << result.width << 'x' << result.height << ", " << result.frames << " frames\n"
            << std::setprecision(6) << "MAE   " << result.mae << "  (of 255)\n"
            << "max   " << result.max << "  (of 255)\n"
            << "PSNR  " << result.psnr << " dB\n"
            << "SSIM  " << result.ssim << '\n';
  return 0;
}

}  // namespace

Command compare_command() {
  const auto options = std::make_shared<CompareOptions>();
  return {.name = "compare",
          .summary = "Measure the difference of two videos: MAE, max, PSNR, SSIM",
          .examples = "  wanfarm compare renders/0001-rain-s7.mp4 other/0001-rain-s7.mp4\n",
          .flags = {{"A", "FILE", "a video", into(options->a)},
                    {"B", "FILE", "another video of the same size and length", into(options->b)}},
          .run = [options] { return compare_videos(*options); }};
}

}  // namespace wf
