#include "pipeline/weights/checkpoint.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>

#include "pipeline/weights/aten_dtype.hpp"
#include "pipeline/weights/broken_file.hpp"
#include "pipeline/weights/shards.hpp"

namespace wf {
namespace {

constexpr std::uint64_t piece_bytes = 8 << 20;

/// The bytes as a tensor: where they lie when aligned for their type, else in a copy.
at::Tensor as_tensor(std::span<const std::byte> bytes, at::IntArrayRef shape, at::IntArrayRef strides, DType dtype) {
  const auto options = at::TensorOptions().dtype(to_aten(dtype));
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % size_of(dtype) == 0)
    return at::from_blob(const_cast<std::byte*>(bytes.data()), shape, strides, options);  // only ever read
  const at::Tensor copy = at::empty({static_cast<std::int64_t>(bytes.size() / size_of(dtype))}, options);
  std::memcpy(copy.data_ptr(), bytes.data(), bytes.size());
  return copy.as_strided(shape, strides);
}

bool is_row_major(const TensorEntry& entry) {
  std::int64_t expected = 1;
  for (std::size_t i = entry.shape.size(); i-- > 0;) {
    if (entry.shape[i] != 1 && entry.strides[i] != expected) return false;
    expected *= entry.shape[i];
  }
  return true;
}

void copy_in_pieces(const at::Tensor& target, const MappedFile& file, const TensorEntry& entry) {
  const at::Tensor flat = target.view(-1);
  for (std::uint64_t done = 0; done < entry.bytes; done += piece_bytes) {
    const std::uint64_t bytes = std::min(piece_bytes, entry.bytes - done);
    const auto count = static_cast<std::int64_t>(bytes / size_of(entry.dtype));
    const auto piece = as_tensor(file.bytes().subspan(entry.offset + done, bytes), {count}, {1}, entry.dtype);
    flat.narrow(0, static_cast<std::int64_t>(done / size_of(entry.dtype)), count).copy_(piece);
    file.drop(entry.offset + done, bytes);
  }
}

}  // namespace

Checkpoint::Checkpoint(const Path& path) : path_(path) {
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
    const auto [there, added] = tensors_.try_emplace(name, Place{files_.size() - 1, std::move(entry)});
    if (!added)
      broken(file.string(),
             "tensor " + printable(name) + ": is also in " + files_[there->second.file]->path().string());
  }
}

const Checkpoint::Place& Checkpoint::place(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) broken(path_.string(), "tensor " + printable(name) + ": is missing");
  return found->second;
}

bool Checkpoint::has(const std::string& name) const { return tensors_.contains(name); }

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> names;
  for (const auto& [name, place] : tensors_) names.push_back(name);
  return names;
}

const TensorEntry& Checkpoint::entry(const std::string& name) const { return place(name).entry; }

const Path& Checkpoint::file_of(const std::string& name) const { return files_[place(name).file]->path(); }

at::Tensor Checkpoint::load(const std::string& name, at::ScalarType dtype, at::Device device,
                            at::IntArrayRef shape) const {
  const TensorEntry& found = entry(name);
  if (shape != at::IntArrayRef(found.shape))
    broken(file_of(name).string(),
           "tensor " + printable(name) + ": has shape " + to_string(found.shape) + ", not " + to_string(shape.vec()));
  return load(name, dtype, device);
}

at::Tensor Checkpoint::load(const std::string& name, at::ScalarType dtype, at::Device device) const {
  const Place& found = place(name);
  const TensorEntry& entry = found.entry;
  const MappedFile& file = *files_[found.file];
  at::Tensor target = at::empty(entry.shape, at::TensorOptions().dtype(dtype).device(device));
  if (is_row_major(entry))
    copy_in_pieces(target, file, entry);
  else if (entry.bytes > 0)
    target.copy_(as_tensor(file.bytes().subspan(entry.offset, entry.bytes), entry.shape, entry.strides, entry.dtype));
  file.drop(entry.offset, entry.bytes);  // also the pages on which two pieces met
  return target;
}

}  // namespace wf
