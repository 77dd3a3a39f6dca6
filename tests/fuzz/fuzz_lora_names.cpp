// tests/fuzz/fuzz_lora_names.cpp: LoRA files sorted out by names and shapes. Input: a tensor a line, its name followed
// by the digits of its shape after a space; or, if it begins with '{', PEFT's configuration.
#include <algorithm>
#include <set>
#include <sstream>

#include "pipeline/weights/lora_index.hpp"
#include "pipeline/weights/lora_names.hpp"
#include "pipeline/weights/peft_config.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace wf::fuzz {
namespace {

TensorIndex parse_tensors(const std::string& lines) {
  TensorIndex tensors;
  std::istringstream in(lines);
  for (std::string line; std::getline(in, line);) {
    const std::size_t space = std::min(line.rfind(' '), line.size());
    TensorEntry& entry = tensors[line.substr(0, space)];
    entry.shape.clear();
    for (std::size_t i = space + 1; i < line.size(); ++i)
      entry.shape.push_back(static_cast<unsigned char>(line[i]) % 16);
  }
  return tensors;
}

/// Notes a tensor that is used or named as unused; none is both, or twice.
void note(std::set<std::string>& noted, const TensorIndex& tensors, const std::string& stored) {
  require(tensors.contains(stored), "a tensor is used that is not in the file");
  require(noted.insert(stored).second, "a tensor is used twice");
}

/// Requires that each tensor is used, named as unused, or the other expert's.
void require_sorted_out(const LoraIndex& index, const TensorIndex& tensors) {
  std::set<std::string> noted;
  require(!index.changes.empty(), "nothing is changed");
  for (const auto& [target, change] : index.changes) {
    require(change.down.empty() == (change.rank == 0) && change.up.empty() == (change.rank == 0),
            "a factor has no partner");
    const std::string alpha = change.rank > 0 ? change.alpha : "";  // without factors it is named as unused
    for (const std::string& stored : {change.down, change.up, change.up_bias, change.difference, alpha})
      if (!stored.empty()) note(noted, tensors, stored);
  }
  for (const std::string& stored : index.unused) note(noted, tensors, stored);
  for (const auto& [stored, entry] : tensors) {
    const auto name = parse_lora_name(stored);
    const bool is_others = index.is_of_pair && name && name->owner != LoraOwner::any;
    require(noted.contains(stored) || is_others, "a tensor is neither used nor named");
  }
}

void read_lora(const std::string& lines) {
  const TensorIndex tensors = parse_tensors(lines);
  for (const Expert expert : {Expert::high, Expert::low})
    refusing(Error::environment,
             [&] { require_sorted_out(read_lora_index(tensors, expert, "fuzz.safetensors"), tensors); });
}

void read_config(const std::string& text) {
  for (const char* prefix : {"", "transformer."})
    refusing(Error::environment,
             [&] { parse_peft_config(text, prefix, "fuzz.json").factor("blocks.0.attn1.to_q", 4, "fuzz.json"); });
}

}  // namespace
}  // namespace wf::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(wf::fuzz::text_of(data, size));
  input.starts_with('{') ? wf::fuzz::read_config(input) : wf::fuzz::read_lora(input);
  return 0;
}
