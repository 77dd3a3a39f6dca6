#include "pipeline/weights/lora_index.hpp"

#include <algorithm>

#include "pipeline/weights/broken_file.hpp"
#include "pipeline/weights/lora_names.hpp"

namespace wf {
namespace {

using Names = std::map<std::string, LoraName>;  // by stored name

std::string tensor_in(const std::string& where, const std::string& stored) {
  return where + ": tensor " + printable(stored);
}

/// The names that an expert's tensors are known by; the others go to `unused`.
Names parse_names(const TensorIndex& tensors, std::vector<std::string>& unused) {
  Names names;
  for (const auto& [stored, entry] : tensors) {
    if (auto name = parse_lora_name(stored))
      names.emplace(stored, std::move(*name));
    else
      unused.push_back(stored);
  }
  return names;
}

bool is_for(const LoraName& name, Expert expert) {
  const LoraOwner own = expert == Expert::high ? LoraOwner::transformer : LoraOwner::transformer_2;
  return name.owner == LoraOwner::any || name.owner == own;
}

bool is_of_pair(const Names& names) {
  return std::any_of(names.begin(), names.end(),
                     [](const auto& name) { return name.second.owner == LoraOwner::transformer_2; });
}

std::string LoraChange::*place_of(LoraPart part) {
  switch (part) {
    case LoraPart::down:
      return &LoraChange::down;
    case LoraPart::up:
      return &LoraChange::up;
    case LoraPart::up_bias:
      return &LoraChange::up_bias;
    case LoraPart::alpha:
      return &LoraChange::alpha;
    case LoraPart::difference:
    case LoraPart::other:  // refused before
      break;
  }
  return &LoraChange::difference;
}

void place(LoraIndex& index, const std::string& stored, const LoraName& name, const std::string& where) {
  if (name.part == LoraPart::other)
    broken(tensor_in(where, stored),
           std::string("belongs to a ") + name.method +
               ", which is not merged; use a LoRA file, or an expert into which it is merged");
  LoraChange& change = index.changes[name.target];
  std::string& taken = change.*place_of(name.part);
  if (!taken.empty())
    broken(tensor_in(where, stored),
           "has the place of " + printable(taken) + ": both are a part of the same change of " + name.target);
  taken = stored;
  if (name.part == LoraPart::down) change.layer = name.layer;
}

/// Checks the factors of one change and notes their rank.
void check_factors(LoraChange& change, const std::string& target, const TensorIndex& tensors,
                   const std::string& where) {
  if (change.down.empty() != change.up.empty())
    broken(tensor_in(where, change.down + change.up), "its partner, the " +
                                                          std::string(change.up.empty() ? "upper" : "lower") +
                                                          " factor for " + target + ", is missing");
  if (change.down.empty()) return;
  const std::vector<std::int64_t>&up = tensors.at(change.up).shape, &down = tensors.at(change.down).shape;
  const bool is_matrix = up.size() >= 2 && down.size() >= 2 && down[0] > 0 && down[0] == up[1] &&
                         std::all_of(up.begin() + 2, up.end(), [](std::int64_t size) { return size == 1; });
  if (!is_matrix)
    broken(tensor_in(where, change.up), "has shape " + to_string(up) + ", which cannot be multiplied by " +
                                            printable(change.down) + " of shape " + to_string(down));
  change.rank = down[0];
}

bool changes_something(const LoraChange& change) {
  return change.rank > 0 || !change.difference.empty() || !change.up_bias.empty();
}

std::int64_t rank_of(const LoraIndex& index, const std::string& target) {
  const auto found = index.changes.find(target);
  return found == index.changes.end() ? 0 : found->second.rank;
}

void check_changes(LoraIndex& index, const TensorIndex& tensors, const std::string& where) {
  for (auto& [target, change] : index.changes) check_factors(change, target, tensors, where);
  for (const auto& [target, change] : index.changes) {
    if (!change.up_bias.empty() && rank_of(index, matrix_of(target)) == 0)
      broken(tensor_in(where, change.up_bias),
             "its partner, the upper factor for " + matrix_of(target) + ", is missing");
    if (!change.alpha.empty() && change.rank == 0) index.unused.push_back(change.alpha);
  }
  std::erase_if(index.changes, [](const auto& change) { return !changes_something(change.second); });
  std::sort(index.unused.begin(), index.unused.end());
}

[[noreturn]] void refuse_without_changes(const TensorIndex& tensors, bool is_of_pair, Expert expert,
                                         const std::string& where) {
  const bool is_high = expert == Expert::high;
  if (is_of_pair)
    broken(where, std::string("changes only the ") + (is_high ? "low" : "high") +
                      "-noise expert: its names begin with " + (is_high ? "transformer_2." : "transformer.") +
                      "; give it for that expert alone");
  broken(where, "is no LoRA for Wan 2.2 T2V-A14B: none of its " + std::to_string(tensors.size()) +
                    " tensors changes an expert" +
                    (tensors.empty() ? "" : " (the first is " + printable(tensors.begin()->first) + ")"));
}

}  // namespace

LoraIndex read_lora_index(const TensorIndex& tensors, Expert expert, const std::string& where) {
  LoraIndex index;
  const Names names = parse_names(tensors, index.unused);
  index.is_of_pair = is_of_pair(names);
  for (const auto& [stored, name] : names)
    if (!index.is_of_pair || is_for(name, expert)) place(index, stored, name, where);
  check_changes(index, tensors, where);
  if (index.changes.empty()) refuse_without_changes(tensors, index.is_of_pair, expert, where);
  return index;
}

std::vector<Expert> experts_of_lora(const TensorIndex& tensors) {
  std::vector<std::string> unused;
  const Names names = parse_names(tensors, unused);
  std::vector<Expert> experts{Expert::high, Expert::low};
  if (!is_of_pair(names)) return experts;
  std::erase_if(experts, [&](Expert expert) {
    return std::none_of(names.begin(), names.end(), [&](const auto& name) { return is_for(name.second, expert); });
  });
  return experts;
}

std::string matrix_of(const std::string& bias) {
  return bias.substr(0, bias.size() - std::string_view("bias").size()) + "weight";
}

std::vector<std::int64_t> product_shape(const std::vector<std::int64_t>& up, const std::vector<std::int64_t>& down) {
  std::vector<std::int64_t> shape = down;
  shape.front() = up.front();
  return shape;
}

}  // namespace wf
