// tests/pipeline/weights/lora_names_test.cpp: names of LoRA tensors in all their spellings, files sorted out for an
// expert from names and shapes, and PEFT's rules for alpha.
#include "pipeline/weights/lora_names.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/files.hpp"
#include "pipeline/weights/expert_names.hpp"
#include "pipeline/weights/lora_index.hpp"
#include "pipeline/weights/peft_config.hpp"
#include "tests/pipeline/weights/error_message.hpp"

namespace wf {
namespace {

using made::environment_error;

// --- names

struct Spelling {
  const char *stored, *target;
  LoraPart part;
  const char* layer = nullptr;  ///< Unless null, the layer that is expected.
  LoraOwner owner = LoraOwner::any;
};

void PrintTo(const Spelling& spelling, std::ostream* out) { *out << spelling.stored; }

class LoraSpelling : public testing::TestWithParam<Spelling> {};

TEST_P(LoraSpelling, MeansOneTensorOfTheExpert) {
  const Spelling& expected = GetParam();
  const auto name = parse_lora_name(expected.stored);
  ASSERT_TRUE(name) << expected.stored;
  EXPECT_EQ(name->target, expected.target) << expected.stored;
  EXPECT_EQ(name->part, expected.part) << expected.stored;
  EXPECT_EQ(name->owner, expected.owner) << expected.stored;
  if (expected.layer) {
    EXPECT_EQ(name->layer, expected.layer);
  }
}

constexpr auto down = LoraPart::down, up = LoraPart::up, alpha = LoraPart::alpha, difference = LoraPart::difference;
constexpr auto first = LoraOwner::transformer, second = LoraOwner::transformer_2;

const Spelling spellings[] = {
    // ComfyUI, LightX2V
    {"diffusion_model.blocks.0.self_attn.q.lora_down.weight", "blocks.0.self_attn.q.weight", down},
    {"diffusion_model.blocks.39.cross_attn.o.lora_up.weight", "blocks.39.cross_attn.o.weight", up},
    {"diffusion_model.blocks.7.ffn.2.alpha", "blocks.7.ffn.2.weight", alpha},
    {"diffusion_model.blocks.7.ffn.2.lora_alpha", "blocks.7.ffn.2.weight", alpha},
    {"diffusion_model.blocks.7.ffn.0.lora_A.weight", "blocks.7.ffn.0.weight", down},
    {"diffusion_model.blocks.7.ffn.0.lora_B.weight", "blocks.7.ffn.0.weight", up},
    {"model.diffusion_model.blocks.1.self_attn.v.lora_B.weight", "blocks.1.self_attn.v.weight", up},
    {"model.blocks.1.self_attn.v.lora_down.weight", "blocks.1.self_attn.v.weight", down},
    {"unet.blocks.1.self_attn.v.lora_down.weight", "blocks.1.self_attn.v.weight", down},
    {"blocks.1.self_attn.v.lora_down.weight", "blocks.1.self_attn.v.weight", down, "blocks.1.self_attn.v"},
    {"blocks.1.self_attn.v.lora.down.weight", "blocks.1.self_attn.v.weight", down, "blocks.1.self_attn.v"},
    {"blocks.1.self_attn.v.lora.up.weight", "blocks.1.self_attn.v.weight", up, "blocks.1.self_attn.v"},
    {"blocks.1.self_attn.v_lora.down.weight", "blocks.1.self_attn.v.weight", down, "blocks.1.self_attn.v"},
    {"blocks.1.self_attn.v_lora.up.weight", "blocks.1.self_attn.v.weight", up, "blocks.1.self_attn.v"},
    {"blocks.1.self_attn.v.lora_linear_layer.down.weight", "blocks.1.self_attn.v.weight", down},
    {"blocks.1.self_attn.v.lora_linear_layer.up.weight", "blocks.1.self_attn.v.weight", up},
    // full differences
    {"diffusion_model.blocks.0.self_attn.q.diff", "blocks.0.self_attn.q.weight", difference},
    {"diffusion_model.blocks.0.self_attn.q.diff_b", "blocks.0.self_attn.q.bias", difference},
    {"diffusion_model.blocks.0.self_attn.norm_q.diff", "blocks.0.self_attn.norm_q.weight", difference},
    {"diffusion_model.blocks.0.norm3.diff", "blocks.0.norm3.weight", difference},
    {"diffusion_model.blocks.0.norm3.diff_b", "blocks.0.norm3.bias", difference},
    {"diffusion_model.blocks.0.norm3.w_norm", "blocks.0.norm3.weight", difference},
    {"diffusion_model.blocks.0.norm3.b_norm", "blocks.0.norm3.bias", difference},
    {"diffusion_model.blocks.0.diff_m", "blocks.0.modulation", difference},
    {"diffusion_model.blocks.0.modulation.diff", "blocks.0.modulation", difference},
    {"diffusion_model.head.diff_m", "head.modulation", difference},
    {"diffusion_model.head.modulation.diff", "head.modulation", difference},
    {"diffusion_model.head.head.diff", "head.head.weight", difference},
    {"diffusion_model.head.head.diff_b", "head.head.bias", difference},
    {"diffusion_model.patch_embedding.diff", "patch_embedding.weight", difference},
    {"diffusion_model.time_projection.1.diff_b", "time_projection.1.bias", difference},
    // PEFT and Diffusers
    {"transformer.blocks.0.attn1.to_q.lora_A.weight", "blocks.0.self_attn.q.weight", down, "blocks.0.attn1.to_q",
     first},
    {"transformer_2.blocks.0.attn2.to_out.0.lora_B.weight", "blocks.0.cross_attn.o.weight", up,
     "blocks.0.attn2.to_out.0", second},
    {"transformer.blocks.3.ffn.net.0.proj.lora_A.weight", "blocks.3.ffn.0.weight", down, nullptr, first},
    {"transformer.blocks.3.ffn.net.2.lora_A.weight", "blocks.3.ffn.2.weight", down, nullptr, first},
    {"transformer.blocks.3.attn1.to_q.lora_A", "blocks.3.self_attn.q.weight", down, nullptr, first},
    {"transformer.blocks.3.attn1.to_q.lora_A.default.weight", "blocks.3.self_attn.q.weight", down, nullptr, first},
    {"transformer.blocks.3.attn1.to_q.lora_A.default", "blocks.3.self_attn.q.weight", down, nullptr, first},
    {"transformer.blocks.3.attn1.to_q.lora_B.bias", "blocks.3.self_attn.q.bias", LoraPart::up_bias, nullptr, first},
    {"transformer.blocks.3.attn1.to_q.lora_B.default.bias", "blocks.3.self_attn.q.bias", LoraPart::up_bias, nullptr,
     first},
    {"transformer.blocks.3.norm2.diff", "blocks.3.norm3.weight", difference, nullptr, first},
    {"transformer.blocks.3.scale_shift_table.diff", "blocks.3.modulation", difference, nullptr, first},
    {"transformer.scale_shift_table.diff", "head.modulation", difference, nullptr, first},
    {"transformer.proj_out.lora_A.weight", "head.head.weight", down, nullptr, first},
    {"transformer.condition_embedder.text_embedder.linear_1.lora_A.weight", "text_embedding.0.weight", down, nullptr,
     first},
    {"transformer.condition_embedder.text_embedder.linear_2.lora_A.weight", "text_embedding.2.weight", down, nullptr,
     first},
    {"transformer.condition_embedder.time_embedder.linear_1.lora_A.weight", "time_embedding.0.weight", down, nullptr,
     first},
    {"transformer.condition_embedder.time_proj.lora_A.weight", "time_projection.1.weight", down, nullptr, first},
    {"base_model.model.blocks.0.self_attn.q.lora_A.default.weight", "blocks.0.self_attn.q.weight", down,
     "blocks.0.self_attn.q"},
    {"base_model.model.transformer.blocks.0.attn1.to_v.lora_B.weight", "blocks.0.self_attn.v.weight", up,
     "blocks.0.attn1.to_v", first},
    {"pipe.dit.blocks.0.self_attn.q.lora_A.default.weight", "blocks.0.self_attn.q.weight", down},
    // underscores for dots: kohya, musubi-tuner, VideoX-Fun, LyCORIS
    {"lora_unet_blocks_0_self_attn_q.lora_down.weight", "blocks.0.self_attn.q.weight", down},
    {"lora_unet_blocks_11_cross_attn_norm_k.diff", "blocks.11.cross_attn.norm_k.weight", difference},
    {"lora_unet_blocks_11_ffn_0.alpha", "blocks.11.ffn.0.weight", alpha},
    {"lora_unet__blocks_11_ffn_2.lora_up.weight", "blocks.11.ffn.2.weight", up},
    {"lora_unet_time_projection_1.lora_up.weight", "time_projection.1.weight", up},
    {"lora_unet_text_embedding_2.lora_up.weight", "text_embedding.2.weight", up},
    {"lora_unet_patch_embedding.lora_down.weight", "patch_embedding.weight", down},
    {"lora_unet__head_head.lora_down.weight", "head.head.weight", down},
    {"lora_transformer_blocks_0_attn1_to_q.lora_down.weight", "blocks.0.self_attn.q.weight", down},
    {"lycoris_blocks_0_attn1_to_out_0.lora_down.weight", "blocks.0.self_attn.o.weight", down},
    {"lycoris_blocks_0_self_attn_to_out_0.lora_down.weight", "blocks.0.self_attn.o.weight", down},
    {"lycoris_blocks_0_ffn_net_0_proj.lora_down.weight", "blocks.0.ffn.0.weight", down},
};
INSTANTIATE_TEST_SUITE_P(Table, LoraSpelling, testing::ValuesIn(spellings));

TEST(LoraNames, OfTensorsThatT2vExpertsDoNotHaveMeanNothing) {
  for (const char* stored : {"lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_down.weight",
                             "text_encoder.blocks.0.attn.q.lora_A.weight",
                             "diffusion_model.blocks.0.cross_attn.k_img.lora_down.weight",
                             "diffusion_model.img_emb.proj.1.lora_down.weight",
                             "transformer.blocks.0.attn2.add_k_proj.lora_A.weight",
                             "diffusion_model.vace_blocks.0.self_attn.q.lora_A.weight",
                             "diffusion_model.blocks.0.self_attn.norm_q.diff_b",
                             "diffusion_model.blocks.0.norm1.diff",
                             "diffusion_model.blocks.0.self_attn.q.diff_m",
                             "diffusion_model.blocks.x.ffn.0.alpha",
                             "diffusion_model.blocks..ffn.0.alpha",
                             "diffusion_model.blocks.0.ffn.1.alpha",
                             "lora_unet_blocks_0.alpha",
                             "blocks.0.self_attn.q.weight",
                             "blocks.0.self_attn.q.lora_A.bias",
                             "blocks.0.self_attn.q.unknown",
                             ".alpha",
                             "",
                             "lora_A",
                             ".",
                             ".weight",
                             "blocks",
                             "blocks_.diff",
                             "transformer.transformer_2."})
    EXPECT_FALSE(parse_lora_name(stored)) << stored;
}

TEST(LoraNames, OfOtherMethodsSayWhichOne) {
  const std::pair<const char*, const char*> methods[] = {{"dora_scale", "DoRA"},
                                                         {"lora_magnitude_vector.default.weight", "DoRA"},
                                                         {"lora_magnitude_vector", "DoRA"},
                                                         {"hada_w1_a", "LoHa"},
                                                         {"hada_t2", "LoHa"},
                                                         {"lokr_w2", "LoKr"},
                                                         {"lokr_w1_b", "LoKr"},
                                                         {"oft_blocks", "OFT"},
                                                         {"lora_mid.weight", "LoCon with a core (lora_mid)"}};
  for (const auto& [ending, method] : methods) {
    const auto name = parse_lora_name("diffusion_model.blocks.0.self_attn.q." + std::string(ending));
    ASSERT_TRUE(name) << ending;
    EXPECT_EQ(name->part, LoraPart::other) << ending;
    EXPECT_STREQ(name->method, method) << ending;
  }
}

/// How a difference of a tensor is named: the layer, and the ending.
std::pair<std::string, std::string> layer_and_ending(const std::string& tensor) {
  if (tensor.ends_with(".weight")) return {tensor.substr(0, tensor.rfind('.')), ".diff"};
  if (tensor.ends_with(".bias")) return {tensor.substr(0, tensor.rfind('.')), ".diff_b"};
  return {tensor, ".diff"};  // modulation
}

/// Official names of an expert's tensors.
std::vector<std::string> names_of_an_expert() {
  std::vector<std::string> names;
  for (const auto& shard : std::filesystem::directory_iterator(Path(WF_TEST_DATA) / "golden/tiny/high_noise_model")) {
    if (shard.path().extension() != ".safetensors") continue;
    const MappedFile file(shard.path());
    for (const auto& [name, entry] : read_tensor_index(file.bytes(), shard.path().string())) names.push_back(name);
  }
  return names;
}

TEST(LoraNames, ReachEveryTensorOfAnExpertInEverySpelling) {
  const std::vector<std::string> names = names_of_an_expert();
  ASSERT_EQ(names.size(), 69u);
  for (const std::string& official : names) {
    for (const std::string& tensor : {official, diffusers_expert_name(official)}) {
      auto [layer, ending] = layer_and_ending(tensor);
      const auto dotted = parse_lora_name("diffusion_model." + layer + ending);
      ASSERT_TRUE(dotted) << tensor;
      EXPECT_EQ(dotted->target, official);
      std::replace(layer.begin(), layer.end(), '.', '_');
      const auto underscored = parse_lora_name("lora_unet_" + layer + ending);
      ASSERT_TRUE(underscored) << tensor;
      EXPECT_EQ(underscored->target, official);
    }
  }
}

// --- files

struct NamedShape {
  std::string name;
  std::vector<std::int64_t> shape;
};

TensorIndex file_of(const std::vector<NamedShape>& tensors) {
  TensorIndex index;
  for (const auto& [name, shape] : tensors) index[name].shape = shape;
  return index;
}

const std::string q = "diffusion_model.blocks.0.self_attn.q.";
const std::vector<NamedShape> plain = {{q + "lora_down.weight", {2, 8}}, {q + "lora_up.weight", {8, 2}}};

std::vector<NamedShape> plain_and(const std::vector<NamedShape>& more) {
  std::vector<NamedShape> tensors = plain;
  tensors.insert(tensors.end(), more.begin(), more.end());
  return tensors;
}

std::string error_of_file(const std::vector<NamedShape>& tensors, Expert expert = Expert::high) {
  return environment_error([&] { read_lora_index(file_of(tensors), expert, "x.safetensors"); });
}

TEST(LoraIndex, TellsFactorsAlphaAndDifferencesOfOneTensor) {
  const LoraIndex index =
      read_lora_index(file_of(plain_and({{q + "alpha", {}}, {q + "diff", {8, 8}}})), Expert::low, "x");
  ASSERT_EQ(index.changes.size(), 1u);
  const LoraChange& change = index.changes.at("blocks.0.self_attn.q.weight");
  EXPECT_EQ(change.down, q + "lora_down.weight");
  EXPECT_EQ(change.up, q + "lora_up.weight");
  EXPECT_EQ(change.alpha, q + "alpha");
  EXPECT_EQ(change.difference, q + "diff");
  EXPECT_EQ(change.rank, 2);
  EXPECT_TRUE(index.unused.empty());
}

TEST(LoraIndex, NamesWhatNoExpertUses) {
  const LoraIndex index =
      read_lora_index(file_of(plain_and({{"lora_te_x.alpha", {}},
                                         {"diffusion_model.blocks.0.cross_attn.k_img.diff_b", {8}},
                                         {"diffusion_model.blocks.0.ffn.0.alpha", {}}})),  // an alpha without factors
                      Expert::high, "x");
  EXPECT_EQ(index.unused, (std::vector<std::string>{"diffusion_model.blocks.0.cross_attn.k_img.diff_b",
                                                    "diffusion_model.blocks.0.ffn.0.alpha", "lora_te_x.alpha"}));
  EXPECT_EQ(index.changes.size(), 1u);
}

TEST(LoraIndex, GivesEachExpertItsOwnPartOfAPair) {
  const TensorIndex file = file_of({{"transformer.blocks.0.attn1.to_q.diff_b", {8}},
                                    {"transformer_2.blocks.0.attn1.to_k.diff_b", {8}},
                                    {"text_encoder.x", {1}}});
  const LoraIndex high = read_lora_index(file, Expert::high, "x"), low = read_lora_index(file, Expert::low, "x");
  EXPECT_EQ(high.changes.begin()->first, "blocks.0.self_attn.q.bias");
  EXPECT_EQ(low.changes.begin()->first, "blocks.0.self_attn.k.bias");
  for (const LoraIndex& index : {high, low}) {
    EXPECT_TRUE(index.is_of_pair);
    EXPECT_EQ(index.changes.size(), 1u);
    EXPECT_EQ(index.unused, std::vector<std::string>{"text_encoder.x"});
  }
}

TEST(LoraIndex, AFileOfTransformerAloneServesBothExperts) {
  const TensorIndex file = file_of({{"transformer.blocks.0.attn1.to_q.diff_b", {8}}});
  for (const Expert expert : {Expert::high, Expert::low})
    EXPECT_EQ(read_lora_index(file, expert, "x").changes.begin()->first, "blocks.0.self_attn.q.bias");
}

TEST(LoraIndex, KnowsWhichExpertsAFileIsFor) {
  const NamedShape of_both{"transformer.blocks.0.attn1.to_q.diff_b", {8}},
      of_low{"transformer_2.blocks.0.attn1.to_k.diff_b", {8}};
  const auto of = [](const std::vector<NamedShape>& tensors) { return experts_of_lora(file_of(tensors)); };
  EXPECT_EQ(of({of_both}), (std::vector{Expert::high, Expert::low}));
  EXPECT_EQ(of({of_both, of_low}), (std::vector{Expert::high, Expert::low}));
  EXPECT_EQ(of({of_low}), (std::vector{Expert::low}));
  EXPECT_EQ(of({{"text_encoder.x", {1}}, of_low}), (std::vector{Expert::low}));
}

TEST(LoraIndex, AFileForTheOtherExpertAloneIsRefused) {
  EXPECT_EQ(error_of_file({{"transformer_2.blocks.0.attn1.to_q.diff_b", {8}}}),
            "x.safetensors: changes only the low-noise expert: its names begin with transformer_2.; give it for that "
            "expert alone");
}

TEST(LoraIndex, AFileThatChangesNothingIsRefused) {
  EXPECT_EQ(error_of_file({{"double_blocks.0.img_attn.qkv.lora_A.weight", {2, 8}}, {"x", {}}}),
            "x.safetensors: is no LoRA for Wan 2.2 T2V-A14B: none of its 2 tensors changes an expert (the first is "
            "double_blocks.0.img_attn.qkv.lora_A.weight)");
  EXPECT_CONTAINS(error_of_file({}), "none of its 0 tensors changes an expert");
  EXPECT_CONTAINS(error_of_file({{q + "alpha", {}}}), "none of its 1 tensors changes an expert");
}

TEST(LoraIndex, AFactorWithoutItsPartnerIsRefused) {
  EXPECT_EQ(error_of_file({plain[0]}),
            "x.safetensors: tensor " + plain[0].name +
                ": its partner, the upper factor for blocks.0.self_attn.q.weight, is missing");
  EXPECT_EQ(error_of_file({plain[1]}),
            "x.safetensors: tensor " + plain[1].name +
                ": its partner, the lower factor for blocks.0.self_attn.q.weight, is missing");
  EXPECT_CONTAINS(error_of_file({{q + "lora_B.bias", {8}}, {q + "diff", {8, 8}}}),
                  "lora_B.bias: its partner, the upper factor for blocks.0.self_attn.q.weight, is missing");
}

TEST(LoraIndex, FactorsThatCannotBeMultipliedAreRefused) {
  using Shape = std::vector<std::int64_t>;
  const std::pair<Shape, Shape> up_and_down[] = {{{8, 3}, {2, 8}}, {{8, 0}, {0, 8}}, {{8}, {2, 8}},
                                                 {{8, 2}, {2}},    {{}, {}},         {{8, 2, 3}, {2, 8}}};
  for (const auto& [up_shape, down_shape] : up_and_down)
    EXPECT_CONTAINS(error_of_file({{q + "lora_A", down_shape}, {q + "lora_B", up_shape}}),
                    "which cannot be multiplied by " + q + "lora_A");
}

TEST(LoraIndex, TwoTensorsForOnePlaceAreRefused) {
  const std::vector<std::pair<std::string, std::string>> doubles = {
      {q + "lora_A.weight", "lora_down"},
      {"blocks.0.attn1.to_q.lora_down", "lora_down"},
      {"lora_unet_blocks_0_self_attn_q.lora_up.weight", "lora_up"}};
  for (const auto& [second_name, part] : doubles) {
    const std::string message = error_of_file(plain_and({{second_name, {2, 8}}}));
    EXPECT_CONTAINS(message, "both are a part of the same change of blocks.0.self_attn.q.weight");
    EXPECT_CONTAINS(message, second_name);
    EXPECT_CONTAINS(message, q + part);
  }
}

TEST(LoraIndex, MethodsThatAreNotMergedAreRefusedByName) {
  EXPECT_EQ(error_of_file(plain_and({{q + "dora_scale", {8, 1}}})),
            "x.safetensors: tensor " + q +
                "dora_scale: belongs to a DoRA, which is not merged; use a LoRA file, or an "
                "expert into which it is merged");
  EXPECT_CONTAINS(error_of_file({{q + "hada_w1_a", {8, 2}}}), "belongs to a LoHa");
  EXPECT_CONTAINS(error_of_file({{q + "lokr_w1", {8, 2}}}), "belongs to a LoKr");
}

TEST(LoraIndex, TheGoldenFilesAreUsedWhole) {
  const std::pair<const char*, std::size_t> files[] = {
      {"comfy_high", 72}, {"comfy_low", 72}, {"kohya_high", 30}, {"kohya_low", 30}, {"peft", 80}};
  for (const auto& [name, count] : files) {
    const MappedFile file(Path(WF_TEST_DATA) / "golden/variants/lora" / (std::string(name) + ".safetensors"));
    const TensorIndex tensors = read_tensor_index(file.bytes(), name);
    std::set<std::string> used;
    for (const Expert expert : {Expert::high, Expert::low}) {
      const LoraIndex index = read_lora_index(tensors, expert, name);
      EXPECT_TRUE(index.unused.empty()) << name;
      for (const auto& [target, change] : index.changes)
        used.insert({change.down, change.up, change.alpha, change.difference});
    }
    used.erase("");
    EXPECT_EQ(used.size(), count) << name;
    EXPECT_EQ(tensors.size(), count) << name;
  }
}

// --- PEFT's configuration

PeftConfig config_of(const std::string& json, const std::string& prefix = "") {
  return parse_peft_config(json, prefix, "adapter_config.json");
}

TEST(PeftConfig, GivesAlphaByRank) {
  EXPECT_EQ(config_of(R"({"r": 4, "lora_alpha": 6})").factor("blocks.0.attn1.to_q", 4, "x"), 1.5);
  EXPECT_EQ(config_of(R"({"lora_alpha": 6, "use_rslora": false, "alpha_pattern": {}})").factor("a", 4, "x"), 1.5);
}

TEST(PeftConfig, GivesAlphaByTheRootOfTheRankWhereStabilised) {
  EXPECT_EQ(config_of(R"({"lora_alpha": 6, "use_rslora": true})").factor("a", 4, "x"), 3);
}

TEST(PeftConfig, WithoutAlphaTheFactorIsOne) {
  EXPECT_EQ(config_of(R"({"r": 4, "lora_alpha": null, "alpha_pattern": null})").factor("a", 4, "x"), 1);
  EXPECT_EQ(PeftConfig().factor("a", 4, "x"), 1);
}

TEST(PeftConfig, ReadsKeysOfItsPrefixAlone) {
  const std::string both = R"({"transformer.lora_alpha": 8, "transformer_2.lora_alpha": 2, "lora_alpha": 1})";
  EXPECT_EQ(config_of(both, "transformer.").factor("a", 4, "x"), 2);
  EXPECT_EQ(config_of(both, "transformer_2.").factor("a", 4, "x"), 0.5);
}

TEST(PeftConfig, APatternHoldsForTheEndOfALayersName) {
  const PeftConfig config =
      config_of(R"({"lora_alpha": 4, "alpha_pattern": {"attn1.to_q": 8, "blocks.1.ffn.net.2": 2}})");
  EXPECT_EQ(config.factor("blocks.0.attn1.to_q", 4, "x"), 2);
  EXPECT_EQ(config.factor("blocks.1.ffn.net.2", 4, "x"), 0.5);
  EXPECT_EQ(config.factor("blocks.11.ffn.net.2", 4, "x"), 1);
  EXPECT_EQ(config.factor("blocks.0.xattn1.to_q", 4, "x"), 1);
  const PeftConfig whole = config_of(R"({"lora_alpha": 4, "alpha_pattern": {"^blocks.0.attn1.to_q": 8}})");
  EXPECT_EQ(whole.factor("blocks.0.attn1.to_q", 4, "x"), 2);
  EXPECT_EQ(whole.factor("other.blocks.0.attn1.to_q", 4, "x"), 1);
}

TEST(PeftConfig, TwoPatternsOfOneLayerMustAgree) {
  const PeftConfig config = config_of(R"({"alpha_pattern": {"to_q": 8, "attn1.to_q": 2, "attn2.to_q": 8}})");
  EXPECT_CONTAINS(environment_error([&] { config.factor("blocks.0.attn1.to_q", 4, "x"); }),
                  "x: alpha_pattern has two values for blocks.0.attn1.to_q");
  EXPECT_EQ(config.factor("blocks.0.attn2.to_q", 4, "x"), 2);
}

TEST(PeftConfig, WrongValuesAreRefusedByKey) {
  const std::pair<const char*, const char*> wrong[] = {
      {"[]", "is not an object"},
      {"{", "is not JSON"},
      {R"({"lora_alpha": "8"})", "lora_alpha is not a number"},
      {R"({"lora_alpha": 1e999})", "a number is out of range"},
      {R"({"use_rslora": 1})", "use_rslora is not true or false"},
      {R"({"alpha_pattern": 3})", "alpha_pattern is not an object"},
      {R"({"alpha_pattern": {"to_q": "x"}})", "alpha_pattern of to_q is not a number"},
      {R"({"alpha_pattern": {"to_[qk]": 2}})", "alpha_pattern has the regular expression to_[qk]"},
      {R"({"alpha_pattern": {"^^to_q": 2}})", "alpha_pattern has the regular expression ^^to_q"},
      {R"({"use_dora": true})", "use_dora: a DoRA is not merged"}};
  for (const auto& [json, expected] : wrong) {
    const std::string message = environment_error([&] { config_of(json); });
    EXPECT_CONTAINS(message, "adapter_config.json");
    EXPECT_CONTAINS(message, expected);
  }
}

}  // namespace
}  // namespace wf
