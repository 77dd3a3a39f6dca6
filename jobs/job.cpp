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

std::string to_string(const StepCache& cache) {
  if (!cache.file.empty()) return cache.file;
  const StepCacheRule& rule = cache.rule;
  return "magcache:" + shortest(rule.error) + "," + std::to_string(rule.most) + "," + shortest(rule.kept);
}

std::string to_string(const GuidanceInterval& interval) {
  const auto text = [&](double end) {
    const std::string number = shortest(end);
    const bool is_whole = number.find_first_of(".e") == std::string::npos;
    return interval.by_sigma && is_whole ? number + ".0" : number;
  };
  return text(interval.from) + "," + text(interval.to);
}

std::string saved_text(const Job& job) {
  if (!job.saved.any()) return "";
  const auto& [conditional, unconditional, unguided] = job.saved;
  const std::string saved = std::to_string(conditional.size() + unconditional.size() + unguided.size());
  if (job.guidance.high.has_value() != job.guidance.low.has_value()) return saved + " forwards";
  return saved + " of " + std::to_string(job.guidance.any() ? 2 * job.steps : job.steps) + " forwards";
}

std::vector<std::string> texts_of(const Job& job) {
  if (!job.guidance.any()) return {job.prompt};
  return {job.prompt, job.negative_prompt};
}

}  // namespace wf
