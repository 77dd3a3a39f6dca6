#include "launcher/bench/toggles.hpp"

#include "base/error.hpp"
#include "launcher/options/model_choice.hpp"

namespace wf {
namespace {

/// The baseline's attention computes in bf16, so the precision that has attention in 8 bits comes with its own.
Toggle in_8_bits(Precision precision, const ExactBlocks& exact_blocks) {
  return {to_string(precision), [=](ModeSettings& settings) {
            settings.run.precision = precision;
            settings.run.exact_blocks = exact_blocks;
            if (precision == Precision::fp8) settings.run.attention = AttentionBackend::automatic;
          }};
}

/// Throws environment with `why` where a CPU computes.
void refuse_on_cpu(const ModeSettings& settings, const char* why) {
  if (chosen_execution(settings.run).device.is_cpu()) throw Error(Error::environment, why);
}

void keep_both_experts(ModeSettings& settings) {
  refuse_on_cpu(settings, "--placement resident: the memory of a CPU has both experts in any placement");
  settings.run.planning.choices.mode = PlacementMode::resident;
}

void turn_on_tf32(ModeSettings& settings) {
  refuse_on_cpu(settings, "--tf32: a CPU has no TF32");
  settings.run.tf32 = true;
}

Toggle step_cache(const std::optional<JobSettings::Cache>& asked) {
  return {"step-cache", [=](ModeSettings& settings) {
            if (asked && !asked->value) throw Error(Error::input, "--step-cache off was given");
            settings.job.step_cache = asked.value_or(JobSettings::Cache{StepCache{}});
            settings.must_save_forwards = true;
          }};
}

Toggle guidance_interval(const JobSettings::Interval& asked) {
  return {"guidance-interval", [=](ModeSettings& settings) {
            settings.job.guidance_interval = asked;
            settings.must_save_forwards = true;
          }};
}

}  // namespace

ModeSettings baseline_of_each(const BenchOptions& options) {
  BenchOptions exact = options;
  const Precision precision = options.run.precision.value_or(Precision::exact);
  if (multiplies_in_fp8(precision))
    throw Error(Error::input, std::string("--precision ") + to_string(precision) +
                                  ": --mode each measures it as one of its modes, and its baseline takes exact or "
                                  "reference");
  exact.run.precision = precision;
  exact.run.exact_blocks = {};
  exact.run.cuda_graphs = CudaGraphs::off;
  return settings_for(exact, BenchMode::baseline);
}

std::vector<Toggle> all_toggles(const BenchOptions& options) {
  const ExactBlocks& exact_blocks = options.run.exact_blocks;
  std::vector<Toggle> toggles{
      {"attention", [](ModeSettings& settings) { settings.run.attention = AttentionBackend::fa3; }},
      {"placement", keep_both_experts},
      {"tf32", turn_on_tf32},
      {"vae-bf16", [](ModeSettings& settings) { settings.run.vae_bf16 = true; }},
      {"cuda-graphs", [](ModeSettings& settings) { settings.run.cuda_graphs = CudaGraphs::on; }},
      in_8_bits(Precision::fp8_ffn, exact_blocks),
      in_8_bits(Precision::fp8_linear, exact_blocks),
      in_8_bits(Precision::fp8, exact_blocks),
      step_cache(options.job.step_cache)};
  const std::optional<JobSettings::Interval>& interval = options.job.guidance_interval;
  if (interval && interval->value) toggles.push_back(guidance_interval(*interval));
  return toggles;
}

ModeSettings together(ModeSettings baseline, const std::vector<Toggle>& toggles) {
  for (const Toggle& toggle : toggles) toggle.turn_on(baseline);
  baseline.mode = "together";
  baseline.run.attention = AttentionBackend::automatic;
  baseline.run.planning.choices.mode.reset();
  baseline.run.cuda_graphs = CudaGraphs::automatic;
  return baseline;
}

}  // namespace wf
