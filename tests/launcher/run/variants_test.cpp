// tests/launcher/run/variants_test.cpp: the files that people own, rendered by the program: single files, matrices in 8
// bits, LoRAs and few-step models give the latents that were computed with the merged weights (golden/variants), and
// the Diffusers folder gives those of the official one.
#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "pipeline/stages/models.hpp"
#include "pipeline/stages/store.hpp"
#include "tests/golden.hpp"
#include "tests/launcher/program.hpp"

namespace wf {
namespace {

using nlohmann::json;
using Arguments = std::vector<std::string>;

constexpr double run_tolerance = 5e-5;  // as for the official runs (stages_test)
const Path variants = golden_folder() / "variants";

json entry_of(const Path& file, const std::string& name) {
  for (json& entry : json::parse(std::ifstream(file)))
    if (entry.at("name") == name) return entry;
  throw std::runtime_error("no entry " + name + " in " + file.string());
}

json run_named(const std::string& name) { return entry_of(golden_folder() / "pipeline.json", name); }

std::string quoted(const Path& path) { return json(path.string()).dump(); }

/// A prompt as a YAML map in one line; JSON is YAML.
std::string prompt_of(const json& run) {
  return json{{"prompt", run.at("prompt")},
              {"negative_prompt", run.at("negative_prompt")},
              {"name", run.at("name")},
              {"seed", run.at("seed")},
              {"size", fmt::format("{}x{}", run.at("width").get<int>(), run.at("height").get<int>())},
              {"frames", run.at("frames")},
              {"steps", run.at("steps")},
              {"shift", run.at("shift")},
              {"solver", run.at("solver")},
              {"guidance", {{"high", run.at("guidance_high")}, {"low", run.at("guidance_low")}}}}
      .dump();
}

/// The golden run that a variant changes, with the variant's solver, steps, shift and guidance.
json varied_run(const json& variant) {
  json run = run_named(variant.at("job"));
  for (const char* key : {"solver", "steps", "shift"})
    if (variant.contains(key)) run[key] = variant[key];
  if (variant.contains("guidance") && variant["guidance"].is_null())
    run["guidance_high"] = run["guidance_low"] = "none";
  return run;
}

/// What a variant is rendered with: the same as keys of a list and as flags.
struct Parts {
  std::string keys;
  Arguments flags;
};

void add_experts(const std::string& form, Parts& parts) {
  const Path high = variants / "single" / ("high_" + form + ".safetensors"),
             low = variants / "single" / ("low_" + form + ".safetensors");
  parts.keys =
      fmt::format("model: {{from: {}, high: {}, low: {}}}\n", quoted(golden_model()), quoted(high), quoted(low));
  parts.flags.insert(parts.flags.end(), {"--high-model", high, "--low-model", low});
}

void add_lora(const json& use, Parts& parts) {
  const std::string form = use.at("form");
  const double of_high = use.at("strength").at("high"), of_low = use.at("strength").at("low");
  const Path folder = variants / "lora";
  if (form == "peft") {
    parts.keys += fmt::format("- {{file: {}, strength: {}}}\n", quoted(folder / "peft.safetensors"), of_high);
    parts.flags.insert(parts.flags.end(),
                       {"--lora", fmt::format("{}={}", (folder / "peft.safetensors").string(), of_high)});
    return;
  }
  const Path high = folder / (form + "_high.safetensors"), low = folder / (form + "_low.safetensors");
  parts.keys += fmt::format("- {{high: {}, low: {}, strength: {{high: {}, low: {}}}}}\n", quoted(high), quoted(low),
                            of_high, of_low);
  parts.flags.insert(parts.flags.end(), {"--lora-high", fmt::format("{}={}", high.string(), of_high), "--lora-low",
                                         fmt::format("{}={}", low.string(), of_low)});
}

/// A step cache of the variant's rule and ratios, as a file in the list's folder.
void add_step_cache(Parts& parts) {
  parts.keys += "defaults: {step_cache: cache.json}\n";
  parts.flags.insert(parts.flags.end(), {"--step-cache", "cache.json"});
}

void write_step_cache(const json& variant, const Path& folder) {
  const json cache{{"E", variant.at("E")},
                   {"K", variant.at("K")},
                   {"R", variant.at("R")},
                   {"conditional", variant.at("ratios_conditional")},
                   {"unconditional", variant.at("ratios_unconditional")}};
  write_file(folder / "cache.json", cache.dump());
}

Parts parts_of(const json& variant) {
  Parts parts{fmt::format("model: {}\n", quoted(golden_model())), {"--model", golden_model()}};
  const std::string name = variant.at("name");
  if (name.starts_with("single_")) add_experts(name.substr(std::string("single_").size()), parts);
  if (variant.contains("ratios_conditional")) add_step_cache(parts);
  if (variant.contains("use")) parts.keys += "loras:\n";
  for (const json& use : variant.value("use", json::array())) add_lora(use, parts);
  return parts;
}

/// Renders a list and returns the latents of the clip `name`.
void render(const TempFolder& folder, const std::string& list, Arguments flags) {
  write_file(folder / "list.yaml", list);
  flags.insert(flags.begin(), {"render", "list.yaml", "--output", "out", "--precision", "reference", "--device", "cpu",
                               "--codec", "y4m", "--save-latents", "--quiet"});
  const ProgramResult outcome = run(folder.path(), flags);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
}

at::Tensor latents_in(const TempFolder& folder, const std::string& name) {
  return load_latents(folder / "out" / (name + ".h5")).x;
}

/// The sidecar tells the steps that the variant's own rule skipped.
void expect_skipped(const json& variant, const Path& sidecar) {
  const json how = json::parse(std::ifstream(sidecar)).at("how");
  for (const char* const key : {"skipped_conditional", "skipped_unconditional"})
    EXPECT_EQ(how.at(key), variant.at(key)) << key;
}

class Variant : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Cases, Variant,
                         testing::Values("lora_comfy", "lora_kohya", "lora_peft", "lora_two", "lightning", "euler8",
                                         "single_fp16", "single_fp8_scaled", "single_fp8_rows", "magcache",
                                         "magcache_k1"),
                         [](const auto& variant) { return variant.param; });

TEST_P(Variant, GivesItsLatentsByListAndByFlags) {
  const json variant = entry_of(variants / "variants.json", GetParam());
  const json run = varied_run(variant);
  const Parts parts = parts_of(variant);
  const std::string prompts = "prompts:\n- " + prompt_of(run) + "\n";
  const at::Tensor golden = Golden("variants/variants.safetensors")[GetParam() + ".latent"];
  const TempFolder by_list, by_flags;
  const bool saves = variant.contains("ratios_conditional");
  for (const TempFolder* const folder : {&by_list, &by_flags})
    if (saves) write_step_cache(variant, folder->path());
  render(by_list, parts.keys + prompts, {});
  expect_close(GetParam() + " by list", latents_in(by_list, run.at("name")), golden, run_tolerance);
  render(by_flags, prompts, parts.flags);
  EXPECT_TRUE(at::equal(latents_in(by_flags, run.at("name")), latents_in(by_list, run.at("name"))));
  if (saves) expect_skipped(variant, by_list / ("out/" + run.at("name").get<std::string>() + ".json"));
}

/// A file with the names of transformers, 8 bits with scalar scales, and the tokenizer inside.
TEST(TextEncoderIn8Bits, GivesItsEmbeddings) {
  const Path folder = variants / "single";
  const json run = run_named(entry_of(variants / "variants.json", "umt5_fp8_scaled").at("job"));
  Execution execution;
  execution.device = execution.text_device = test::device();
  Models models(ModelSource{.high = golden_model() / "high_noise_model",
                            .low = golden_model() / "low_noise_model",
                            .text = folder / "umt5_fp8_scaled.safetensors",
                            .vae = golden_model() / "Wan2.1_VAE.pth"},
                execution);
  expect_close("text encoder in 8 bits", models.embed(run.at("prompt")).text,
               Golden("variants/variants.safetensors")["umt5_fp8_scaled.prompt"], test::network_tolerance);
}

const Arguments golden_runs{"unipc", "dpmpp", "default_schedule", "one_frame"};

/// A list of the four official runs.
std::string list_of_golden_runs(const Path& model) {
  std::string list = "model: " + quoted(model) + "\nprompts:\n";
  for (const std::string& name : golden_runs) list += "- " + prompt_of(run_named(name)) + "\n";
  return list;
}

void expect_golden_latents(const TempFolder& folder, const std::string& what) {
  const Golden golden("pipeline.safetensors");
  for (const std::string& name : golden_runs) {
    const std::string last = std::to_string(run_named(name).at("steps").get<int>() - 1);
    expect_close(what + " " + name, latents_in(folder, name), golden[name + ".step" + last + ".latent"], run_tolerance);
  }
}

TEST(DiffusersFolder, GivesTheLatentsOfTheOfficialOne) {
  const TempFolder folder;
  render(folder, list_of_golden_runs(golden_folder() / "tiny-diffusers"), {});
  expect_golden_latents(folder, "Diffusers");
}

/// A repository as Hugging Face's cache has it: files in blobs/, and a snapshot of links to them.
Path cached_repository(const Path& folder, const Path& repository) {
  const Path root = folder / "models--wanfarm--tiny", snapshot = root / "snapshots" / "0123abcd";
  make_folder(root / "refs");
  make_folder(root / "blobs");
  write_file(root / "refs" / "main", "0123abcd");
  int number = 0;
  for (const auto& item : std::filesystem::recursive_directory_iterator(repository)) {
    if (!item.is_regular_file()) continue;
    const Path blob = root / "blobs" / std::to_string(number++);
    const Path link = snapshot / std::filesystem::relative(item.path(), repository);
    std::filesystem::copy_file(item.path(), blob);
    make_folder(link.parent_path());
    std::filesystem::create_symlink(std::filesystem::relative(blob, link.parent_path()), link);
  }
  return root;
}

TEST(CacheOfHuggingFace, GivesTheLatentsOfTheOfficialFolder) {
  const TempFolder folder;
  render(folder, list_of_golden_runs(cached_repository(folder.path(), golden_folder() / "tiny-diffusers")), {});
  expect_golden_latents(folder, "cache");
}

}  // namespace
}  // namespace wf
