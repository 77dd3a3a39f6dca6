// pipeline/weights/expert_names.hpp: the layers of an expert under their official names and those of Diffusers. Pure.
#pragma once

#include <string>
#include <string_view>

namespace wf {

/// The official name of a layer that Diffusers names: blocks.7.attn1.to_q -> blocks.7.self_attn.q. Whatever follows the
/// layer's name stays, and so does a name that is official already, or that no rule knows; prefixes (transformer., ...)
/// have been taken off before. Beware of norm2: Diffusers gives this name to the official norm3, and the official norm2
/// has no weights.
std::string official_expert_name(std::string_view name);

/// The inverse, of an official name.
std::string diffusers_expert_name(std::string_view official);

}  // namespace wf
