// tests/fuzz/fuzz_tensor_names.cpp: the official names of a network's tensors. Input: tensors, one a line
// (named_tensors.hpp), which are read as each of the three networks.
#include <set>

#include "pipeline/weights/tensor_names.hpp"
#include "tests/fuzz/named_tensors.hpp"

namespace {

void check(wf::Network network, const wf::TensorIndex& tensors) {
  using namespace wf;
  std::set<std::string> used;
  std::vector<std::string> names;
  for (const auto& [official, stored] : official_names(network, tensors, "fuzz.safetensors")) {
    fuzz::require(tensors.contains(stored), "a name is not of the file");
    fuzz::require(used.insert(stored).second, "a tensor has two official names");
    names.push_back(official);
  }
  const auto foreign = diffusers_names(network, names);
  fuzz::require(foreign.size() == names.size(), "an official name has no other");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace wf;
  fuzz::refusing(Error::environment, [&] {
    const TensorIndex tensors = fuzz::named_tensors(fuzz::text_of(data, size));
    for (const Network network : {Network::expert, Network::text_encoder, Network::vae})
      fuzz::refusing(Error::environment, [&] { check(network, tensors); });
  });
  return 0;
}
