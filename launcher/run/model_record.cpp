#include "launcher/run/model_record.hpp"

#include <algorithm>

#include "base/paths.hpp"

namespace wf {
namespace {

std::string name_of(const Path& path) { return without_slash(path).filename().string(); }

/// LoRAs of both experts. A file that is merged into both stands there once, with both strengths.
class LoraRecords {
 public:
  void add(const std::vector<LoraFile>& loras, std::optional<double> ModelRecord::Lora::*strength) {
    for (const LoraFile& lora : loras) entry(lora.file, strength).*strength = lora.strength;
  }
  const std::vector<ModelRecord::Lora>& all() const { return records_; }

 private:
  /// The record of this file that has no such strength yet, or a new one.
  ModelRecord::Lora& entry(const Path& file, std::optional<double> ModelRecord::Lora::*strength) {
    for (std::size_t i = 0; i < records_.size(); ++i)
      if (files_[i] == file && !(records_[i].*strength)) return records_[i];
    files_.push_back(file);
    return records_.emplace_back(ModelRecord::Lora{name_of(file), lora_identity(file), {}, {}});
  }

  std::vector<Path> files_;  ///< of each record
  std::vector<ModelRecord::Lora> records_;
};

}  // namespace

ModelRecord record_of(const ModelFiles& files) {
  ModelRecord record;
  record.parts = {{"high", name_of(files.high.weights)},
                  {"low", name_of(files.low.weights)},
                  {"text", name_of(files.text_encoder)},
                  {"vae", name_of(files.vae)},
                  {"tokenizer", name_of(files.tokenizer)}};
  LoraRecords loras;
  loras.add(files.high.loras, &ModelRecord::Lora::high);
  loras.add(files.low.loras, &ModelRecord::Lora::low);
  record.loras = loras.all();
  return record;
}

}  // namespace wf
