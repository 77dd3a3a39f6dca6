#include "jobs/job.hpp"

#include "base/text.hpp"

namespace wf {

const std::string default_negative_prompt =
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，JPEG压缩残留，"
    "丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，"
    "静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走";

std::string scale_text(const std::optional<double>& scale) { return scale ? shortest(*scale) : "none"; }

std::string to_string(const Guidance& guidance) {
  if (!guidance.any()) return "none";
  return "high " + scale_text(guidance.high) + ", low " + scale_text(guidance.low);
}

std::vector<std::string> texts_of(const Job& job) {
  if (!job.guidance.any()) return {job.prompt};
  return {job.prompt, job.negative_prompt};
}

}  // namespace wf
