#include "pipeline/weights/converted_file.hpp"

#include <ATen/ATen.h>

#include <cstring>

#include "base/check.hpp"
#include "base/error.hpp"

namespace wf {
namespace {

/// Bytes after which what was written is flushed, so that at most so many wait in memory for a slow disk, and the end
/// of the file does not wait for all of them.
constexpr std::uint64_t flush_each = 256 << 20;

std::vector<PlannedTensor> with_checksums(std::vector<PlannedTensor> tensors) {
  std::uint64_t count = 2;
  for (const PlannedTensor& tensor : tensors) count += block_count(bytes_of(tensor));
  tensors.push_back({checksums_name, DType::i32, {static_cast<std::int64_t>(count)}});
  return tensors;
}

}  // namespace

ConvertedWriter::ConvertedWriter(const Path& file, const std::vector<PlannedTensor>& tensors, const Metadata& metadata)
    : file_(file, with_checksums(tensors), metadata) {
  file_.reserve();
}

void ConvertedWriter::write(const std::string& name, const at::Tensor& tensor) {
  WF_CHECK(tensor.is_cpu() && tensor.is_contiguous());
  checksums_[name] = checksums_of({static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()});
  file_.write(name, tensor);
  unflushed_ += tensor.nbytes();
  if (unflushed_ < flush_each) return;
  file_.flush();
  unflushed_ = 0;
}

void ConvertedWriter::finish() {
  const std::vector<std::uint32_t> all = all_checksums(checksums_, file_.header());
  const at::Tensor numbers = at::empty({std::ssize(all)}, at::kInt);
  std::memcpy(numbers.data_ptr(), all.data(), numbers.nbytes());
  file_.write(checksums_name, numbers);
  file_.finish();
}

ConvertedFile::ConvertedFile(const Path& file, NodeReader* node_reader)
    : checksums_(MappedFile(file)),
      checkpoint_(file, node_reader,
                  [this](const MappedFile& map, const TensorEntry& entry, std::uint64_t at, std::span<std::byte> into) {
                    read(map, entry, at, into);
                  }) {}

/// Once something is damaged the rest is not read any more.
void ConvertedFile::read(const MappedFile& file, const TensorEntry& entry, std::uint64_t at,
                         std::span<std::byte> into) {
  if (is_damaged_) return;
  try {
    file.read(entry.offset + at, into);
    if (!checksums_.match(entry, at, into)) note(file.path().string() + ": has damaged data");
  } catch (const Error& error) {
    note(error.what());
  }
}

void ConvertedFile::note(const std::string& damage) {
  const std::lock_guard lock(noting_);
  if (damage_.empty()) damage_ = damage;
  is_damaged_ = true;
}

std::string ConvertedFile::damage() const {
  const std::lock_guard lock(noting_);
  return damage_;
}

}  // namespace wf
