#include "pipeline/weights/lora.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/check.hpp"
#include "pipeline/weights/broken_file.hpp"
#include "pipeline/weights/peft_config.hpp"

namespace wf {
namespace {

using Shape = std::vector<std::int64_t>;

PeftConfig read_peft_config(const Checkpoint& file, bool is_second_of_pair) {
  const char* const key = "lora_adapter_metadata";
  if (const auto text = file.metadata().find(key); text != file.metadata().end())
    return parse_peft_config(text->second, is_second_of_pair ? "transformer_2." : "transformer.",
                             file.path().string() + ": " + key);
  if (const auto path = adapter_config_of(file.path())) {
    const MappedFile map(*path);
    return parse_peft_config(map.text(), "", path->string());
  }
  return {};
}

double read_alpha(const Checkpoint& file, const std::string& name) {
  const std::string where = file.file_of(name).string() + ": tensor " + printable(name);
  const Shape& shape = file.entry(name).shape;
  if (c10::multiply_integers(shape) != 1) broken(where, "is not one number, but has shape " + to_string(shape));
  const double alpha = file.load(name, at::kDouble, at::kCPU).item<double>();
  if (!std::isfinite(alpha)) broken(where, "is not a finite number");
  return alpha;
}

struct Width {
  std::int64_t size;
  const char* network;
};
constexpr Width widths[] = {{36, "I2V models"},        {1536, "Wan 2.1 T2V-1.3B"}, {8960, "Wan 2.1 T2V-1.3B"},
                            {3072, "Wan 2.2 TI2V-5B"}, {14336, "Wan 2.2 TI2V-5B"}, {5120, "the 14B models"},
                            {13824, "the 14B models"}};

/// Which network a change was probably made for: the one with a width that the tensor has not.
std::string likely_network(const Shape& changed, const Shape& tensor) {
  const auto has = [](const Shape& shape, std::int64_t size) { return std::ranges::find(shape, size) != shape.end(); };
  for (const auto& [size, network] : widths)
    if (has(changed, size) && !has(tensor, size)) return std::string(", as those for ") + network + " do";
  return "";
}

/// Whether up [out, rank] times down [rank, in, ...] has the elements of a tensor of this shape: that of a convolution
/// may be given as a matrix.
bool is_product_of(const Shape& shape, const Shape& product) {
  const auto columns = [](const Shape& s) { return c10::multiply_integers(s.begin() + 1, s.end()); };
  return shape.size() >= 2 && shape[0] == product[0] && columns(shape) == columns(product);
}

}  // namespace

Lora::Lora(const LoraFile& lora, Expert expert)
    : checkpoint_(std::make_shared<const Checkpoint>(lora.file)),
      strength_(lora.strength),
      index_(read_lora_index(checkpoint_->index(), expert, lora.file.string())) {
  const PeftConfig config = read_peft_config(*checkpoint_, index_.is_of_pair && expert == Expert::low);
  for (const auto& [target, change] : index_.changes)
    if (change.rank > 0)
      factors_[target] = change.alpha.empty() ? config.factor(change.layer, change.rank, lora.file.string())
                                              : read_alpha(*checkpoint_, change.alpha) / double(change.rank);
}

std::vector<std::string> Lora::targets() const {
  std::vector<std::string> targets;
  for (const auto& [target, change] : index_.changes) targets.push_back(target);
  return targets;
}

void Lora::check_shape(const std::string& official, const Shape& shape) const {
  const auto found = index_.changes.find(official);
  if (found == index_.changes.end()) return;
  const auto refuse = [&](const std::string& stored, const Shape& changed) {
    broken(file().string(), "is a LoRA of another network: " + printable(stored) + " changes " + to_string(changed) +
                                likely_network(changed, shape) + ", but " + official + " has shape " +
                                to_string(shape));
  };
  const LoraChange& change = found->second;
  if (change.rank > 0) {
    const Shape product = product_shape(checkpoint_->entry(change.up).shape, checkpoint_->entry(change.down).shape);
    if (!is_product_of(shape, product)) refuse(change.up, product);
  }
  for (const std::string& stored : {change.up_bias, change.difference})
    if (!stored.empty() && checkpoint_->entry(stored).shape != shape) refuse(stored, checkpoint_->entry(stored).shape);
}

at::Tensor Lora::load(const std::string& stored, at::Device device) const {
  at::Tensor numbers = checkpoint_->load(stored, at::kFloat, device);
  if (!numbers.isfinite().all().item<bool>())
    broken(checkpoint_->file_of(stored).string(), "tensor " + printable(stored) + ": holds an infinity or NaN");
  return numbers;
}

void Lora::add_product(const LoraChange& change, double factor, const at::Tensor& weight) const {
  const at::NoTF32Guard exact;  // of this thread alone: others may be computing meanwhile
  const at::Tensor up = load(change.up, weight.device()).flatten(1),
                   down = load(change.down, weight.device()).flatten(1);
  weight.view({weight.size(0), -1}).addmm_(up, down, /*beta=*/1, strength_ * factor);
}

void Lora::add_to(const std::string& official, const at::Tensor& weight) const {
  const auto found = index_.changes.find(official);
  if (found == index_.changes.end() || strength_ == 0) return;
  WF_CHECK(weight.scalar_type() == at::kFloat && weight.is_contiguous());
  check_shape(official, weight.sizes().vec());
  const LoraChange& change = found->second;
  if (change.rank > 0) add_product(change, factors_.at(official), weight);
  if (!change.up_bias.empty())
    weight.add_(load(change.up_bias, weight.device()), strength_ * factors_.at(matrix_of(official)));
  if (!change.difference.empty()) weight.add_(load(change.difference, weight.device()), strength_);
}

std::optional<Path> adapter_config_of(const Path& lora) {
  const Path folder = std::filesystem::is_directory(lora) ? lora : lora.parent_path();
  Path config = folder / "adapter_config.json";
  return std::filesystem::exists(config) ? std::optional(std::move(config)) : std::nullopt;
}

}  // namespace wf
