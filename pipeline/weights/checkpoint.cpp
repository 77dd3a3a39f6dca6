#include "pipeline/weights/checkpoint.hpp"

#include <ATen/ATen.h>

#include "base/check.hpp"
#include "pipeline/weights/aten_dtype.hpp"
#include "pipeline/weights/broken_file.hpp"
#include "pipeline/weights/random_draw.hpp"
#include "pipeline/weights/shards.hpp"
#include "pipeline/weights/upload.hpp"

namespace wf {
namespace {

bool is_row_major(const TensorEntry& entry) {
  std::int64_t expected = 1;
  for (std::size_t i = entry.shape.size(); i-- > 0;) {
    if (entry.shape[i] != 1 && entry.strides[i] != expected) return false;
    expected *= entry.shape[i];
  }
  return true;
}

}  // namespace

Checkpoint::~Checkpoint() = default;

Checkpoint::Checkpoint(const Path& path, NodeReader* node_reader, ByteSource::Read read)
    : path_(path), source_(node_reader, std::move(read)) {
  const Shards shards = find_shards(path);
  for (const Path& file : shards.files) add(file);
  for (const auto& [name, shard] : shards.tensors)
    if (!has(name) || file_of(name) != shard)
      broken(shard.string(),
             "tensor " + printable(name) + ": is missing, though " + shards.index->string() + " says it is here");
}

void Checkpoint::add(const Path& file) {
  const auto& map = files_.emplace_back(std::make_unique<MappedFile>(file));
  for (auto& [name, entry] : read_tensor_index(map->bytes(), file.string())) {
    const auto [there, added] = tensors_.try_emplace(name, Location{files_.size() - 1, std::move(entry)});
    if (!added)
      broken(file.string(),
             "tensor " + printable(name) + ": is also in " + files_[there->second.file]->path().string());
  }
  metadata_.merge(read_metadata(map->bytes(), file.string()));
}

const Checkpoint::Location& Checkpoint::locate(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) broken(path_.string(), "tensor " + printable(name) + ": is missing");
  return found->second;
}

bool Checkpoint::has(const std::string& name) const { return tensors_.contains(name); }

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> names;
  for (const auto& [name, location] : tensors_) names.push_back(name);
  return names;
}

TensorIndex Checkpoint::index() const {
  TensorIndex index;
  for (const auto& [name, location] : tensors_) index.emplace(name, location.entry);
  return index;
}

const TensorEntry& Checkpoint::entry(const std::string& name) const { return locate(name).entry; }

const Path& Checkpoint::file_of(const std::string& name) const { return files_[locate(name).file]->path(); }

std::uint64_t Checkpoint::bytes() const {
  std::uint64_t sum = 0;
  for (const auto& [name, location] : tensors_) sum += bytes_of(location.entry.dtype, location.entry.shape);
  return sum;
}

at::Tensor Checkpoint::load(const std::string& name, at::ScalarType dtype, at::Device device) const {
  at::Tensor target = at::empty(entry(name).shape, at::TensorOptions(dtype).device(device));
  load_into(name, target);
  return target;
}

at::Tensor Checkpoint::load(const std::string& name, at::ScalarType dtype, at::Device device,
                            at::IntArrayRef shape) const {
  check_shape(name, shape);
  return load(name, dtype, device);
}

void Checkpoint::check_shape(const std::string& name, at::IntArrayRef shape) const {
  const TensorEntry& found = entry(name);
  if (shape != at::IntArrayRef(found.shape))
    broken(file_of(name).string(),
           "tensor " + printable(name) + ": has shape " + to_string(found.shape) + ", not " + to_string(shape.vec()));
}

at::Tensor Checkpoint::load_alone(const std::string& name) const {
  const auto& [file_number, entry] = locate(name);
  if (entry.random) return load(name, to_aten(entry.dtype), at::kCPU);
  ByteSource own;
  return read_as_stored(own, *files_[file_number], entry).contiguous();
}

void Checkpoint::load_into(const std::string& name, const at::Tensor& target) const {
  check_shape(name, target.sizes());
  WF_CHECK(target.is_contiguous());
  const auto& [file_number, entry] = locate(name);
  const MappedFile& file = *files_[file_number];
  if (target.is_meta() || target.numel() == 0) return;
  if (entry.random)
    draw(target, *entry.random, to_aten(entry.dtype));
  else if (!is_row_major(entry))
    target.copy_(read_as_stored(source_, file, entry));
  else if (target.is_cpu())
    read_to_host(source_, file, entry, target);
  else
    upload(file, entry, target);
}

void Checkpoint::upload(const MappedFile& file, const TensorEntry& entry, const at::Tensor& target) const {
  const std::lock_guard lock(uploading_);
  if (!uploader_ || uploader_->device() != target.device()) uploader_ = std::make_unique<Uploader>(target.device());
  uploader_->upload(source_, file, entry, target);
}

}  // namespace wf
