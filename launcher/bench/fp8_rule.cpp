#include "launcher/bench/fp8_rule.hpp"

#include "launcher/bench/bench.hpp"

namespace wf {

BlockNumbers conspicuous_blocks(const std::vector<double>& errors) {
  const double limit = conspicuous * median(errors);
  BlockNumbers blocks;
  for (std::size_t i = 0; i < errors.size(); ++i)
    if (errors[i] > limit) blocks.insert(static_cast<std::int64_t>(i));
  return blocks;
}

bool ends_are_conspicuous(const StepErrors& errors, std::int64_t steps) {
  std::vector<double> all;
  for (const auto& [step, error] : errors) all.push_back(error);
  const double limit = conspicuous * median(all);
  const auto stands_out = [&](std::int64_t step) { return errors.contains(step) && errors.at(step) > limit; };
  return stands_out(0) || stands_out(steps - 1);
}

std::string rule_flags(const ExactBlocks& blocks, bool ends_conspicuous) {
  return "--fp8-exact-blocks " + to_string(blocks) + " --fp8-exact-steps " + (ends_conspicuous ? "1" : "auto");
}

}  // namespace wf
