#include "pipeline/weights/expert_names.hpp"

#include "pipeline/weights/name_rules.hpp"

namespace wf {
namespace {

/// Source: the renames of convert_wan_to_diffusers.py in huggingface/diffusers.
NameRules make_rules() {
  std::vector<NameRule> rules = {{"blocks.#.norm3", "blocks.#.norm2"},
                                 {"blocks.#.ffn.0", "blocks.#.ffn.net.0.proj"},
                                 {"blocks.#.ffn.2", "blocks.#.ffn.net.2"},
                                 {"blocks.#.modulation", "blocks.#.scale_shift_table"},
                                 {"head.modulation", "scale_shift_table"},
                                 {"head.head", "proj_out"},
                                 {"text_embedding.0", "condition_embedder.text_embedder.linear_1"},
                                 {"text_embedding.2", "condition_embedder.text_embedder.linear_2"},
                                 {"time_embedding.0", "condition_embedder.time_embedder.linear_1"},
                                 {"time_embedding.2", "condition_embedder.time_embedder.linear_2"},
                                 {"time_projection.1", "condition_embedder.time_proj"}};
  for (const auto& [official, diffusers] : {NameRule{"self_attn.", "attn1."}, NameRule{"cross_attn.", "attn2."}})
    for (const auto& [layer, other] : {NameRule{"q", "to_q"},
                                       {"k", "to_k"},
                                       {"v", "to_v"},
                                       {"o", "to_out.0"},
                                       {"norm_q", "norm_q"},
                                       {"norm_k", "norm_k"}})
      rules.push_back({"blocks.#." + official + layer, "blocks.#." + diffusers + other});
  return NameRules(std::move(rules));
}

const NameRules& rules() {
  static const NameRules made = make_rules();
  return made;
}

}  // namespace

std::string official_expert_name(std::string_view name) { return rules().to_official(name); }
std::string diffusers_expert_name(std::string_view official) { return rules().to_other(official); }

}  // namespace wf
