#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "launcher/bench/bench.hpp"
#include "parallel/device.hpp"
#include "pipeline/model/cost.hpp"
#include "pipeline/stages/encode_text.hpp"
#include "pipeline/stages/tokenize.hpp"

namespace wf {
namespace {

using Ids = std::vector<std::int64_t>;

struct Text {
  std::string name;
  Ids ids;
};

/// Token ids of a text that is cut to `tokens` tokens, the last of which is the end of text.
Ids long_text(const Tokenizer& tokenizer, std::int64_t tokens) {
  std::string text;
  for (std::int64_t i = 0; i < tokens; ++i) text += "boxing cats ";
  Ids ids = tokenize(text, tokenizer);
  const std::int64_t end = ids.back();
  ids.resize(static_cast<std::size_t>(tokens - 1));
  ids.push_back(end);
  return ids;
}

/// Least seconds of an encoding: those of the arithmetic or of reading the weights, whichever takes longer.
double floor_of(const Umt5Weights& weights, std::int64_t tokens, const Ceilings& ceilings) {
  return std::max(static_cast<double>(umt5_flops(weights, tokens)) / ceilings.matmul,
                  static_cast<double>(umt5_bytes_read(weights, tokens)) / ceilings.copy);
}

std::vector<Cell> measure(const Bench& bench, const Text& text, const Ceilings& ceilings) {
  const at::Device device = bench.models.execution().text_device;
  const Umt5Weights& weights = bench.models.text_encoder();
  const auto tokens = static_cast<std::int64_t>(text.ids.size());
  reset_peak_memory(device);
  const double seconds = time_runs(device, bench.runs, [&] { encode_text(text.ids, weights).text.cpu(); }).median();
  const std::uint64_t peak = device_memory(device).peak;
  const double floor = floor_of(weights, tokens, ceilings);
  return {text.name,   static_cast<double>(tokens), 1e3 * seconds, ratio(static_cast<double>(tokens), seconds),
          1e3 * floor, ratio(seconds, floor),       in_gib(peak),  in_gib(umt5_bytes_needed(weights, tokens))};
}

}  // namespace

Report bench_text(const Bench& bench) {
  const c10::InferenceMode no_autograd;
  const at::Device device = bench.models.execution().text_device;
  const at::ScalarType dtype = bench.models.parts().text_encoder.norm.scalar_type();
  const Ceilings ceilings = measure_ceilings(device, dtype);
  const Tokenizer& tokenizer = bench.models.tokenizer();
  Table table{"text",
              {{"text", "text"},
               {"tokens", "tokens"},
               {"median_ms", "median ms", 2},
               {"tokens_per_s", "tokens/s", 0},
               {"floor_ms", "floor ms", 2},
               {"ratio", "ms / floor", 2},
               {"peak_gib", "peak GiB", 2},
               {"predicted_gib", "predicted GiB", 2}}};
  double seconds = 0;
  for (const Text& text : {Text{"the default prompt", tokenize(bench.job.prompt, tokenizer)},
                           Text{"the default negative prompt", tokenize(bench.job.negative_prompt, tokenizer)},
                           Text{"the longest text", long_text(tokenizer, bench.models.parts().text_len)}}) {
    table.rows.push_back(measure(bench, text, ceilings));
    seconds += std::get<double>(table.rows.back()[2]) / 1e3;
  }
  return {fmt::format("encoding texts on {}; floor: the arithmetic as matrix products, or reading the weights once, "
                      "whichever takes longer",
                      device_name(device)),
          {table, to_table(ceilings, device, bench.arithmetic(dtype, device))},
          seconds};
}

}  // namespace wf
