// pipeline/weights/vae_names.hpp: the tensors of the VAE under their official names and those of Diffusers. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace wf {

/// The official names of a VAE's tensors, each by the name that it is given here; a name that is official already, or
/// that no rule knows, is kept. The names of a whole network are translated together: Diffusers numbers the decoder's
/// layers by block (up_blocks.1.resnets.0), the official names count through (upsamples.4), so that a layer's number
/// depends on the lengths of the blocks before it.
std::map<std::string, std::string> official_vae_names(const std::vector<std::string>& names);

/// The inverse: the name in Diffusers of each official name. A block ends with the layer that resamples.
std::map<std::string, std::string> diffusers_vae_names(const std::vector<std::string>& official);

}  // namespace wf
