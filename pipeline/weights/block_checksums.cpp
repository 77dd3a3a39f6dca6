#include "pipeline/weights/block_checksums.hpp"

#include <algorithm>
#include <cstring>

#include "base/crc32c.hpp"
#include "pipeline/weights/broken_file.hpp"

namespace wf {
namespace {

std::uint32_t checksum(std::span<const std::byte> bytes) {
  return crc32c({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::uint32_t checksum(std::span<const std::uint32_t> checksums) { return checksum(std::as_bytes(checksums)); }

/// Calls work(number, block) for each block of the bytes.
template <class Work>
void for_each_block(std::span<const std::byte> bytes, Work&& work) {
  for (std::uint64_t number = 0; number < block_count(bytes.size()); ++number) {
    const std::uint64_t begin = number * block_bytes;
    work(number, bytes.subspan(begin, std::min(block_bytes, bytes.size() - begin)));
  }
}

/// The place of the first byte of data: the header's size.
std::uint64_t data_begin(const TensorIndex& index) {
  const auto by_offset = [](const auto& a, const auto& b) { return a.second.offset < b.second.offset; };
  return std::ranges::min_element(index, by_offset)->second.offset;
}

std::vector<std::uint32_t> read_checksums(const MappedFile& file, const TensorEntry& entry) {
  std::vector<std::uint32_t> checksums(entry.bytes / sizeof(std::uint32_t));
  std::memcpy(checksums.data(), file.bytes().data() + entry.offset, checksums.size() * sizeof(std::uint32_t));
  return checksums;
}

}  // namespace

std::vector<std::uint32_t> checksums_of(std::span<const std::byte> tensor) {
  std::vector<std::uint32_t> checksums;
  for_each_block(tensor,
                 [&](std::uint64_t, std::span<const std::byte> block) { checksums.push_back(checksum(block)); });
  return checksums;
}

std::vector<std::uint32_t> all_checksums(const std::map<std::string, std::vector<std::uint32_t>>& of_tensors,
                                         std::string_view header) {
  std::vector<std::uint32_t> all;
  for (const auto& [name, checksums] : of_tensors) all.insert(all.end(), checksums.begin(), checksums.end());
  all.push_back(crc32c(header));
  all.push_back(checksum(std::span<const std::uint32_t>(all)));
  return all;
}

BlockChecksums::BlockChecksums(const MappedFile& file)
    : index_(read_safetensors_index(file.bytes(), file.path().string())) {
  const std::string name = file.path().string();
  const auto own = index_.find(checksums_name);
  if (own == index_.end() || own->second.dtype != DType::i32) broken(name, "has no checksums");
  const std::uint64_t header_bytes = data_begin(index_);
  checksums_ = read_checksums(file, own->second);
  index_.erase(own);
  std::uint64_t blocks = 0;
  for (const auto& [tensor, entry] : index_) {
    if (entry.bytes > 0) first_[entry.offset] = blocks;
    blocks += block_count(entry.bytes);
  }
  if (checksums_.size() != blocks + 2) broken(name, "has checksums of other tensors");
  const std::span<const std::uint32_t> all(checksums_);
  if (checksum(all.first(blocks + 1)) != all.back()) broken(name, "its checksums are damaged");
  if (checksum(file.bytes().first(header_bytes)) != all[blocks]) broken(name, "its header is damaged");
}

bool BlockChecksums::match(const TensorEntry& entry, std::uint64_t at,
                           std::span<const std::byte> bytes) const noexcept {
  const auto first = first_.find(entry.offset);
  if (first == first_.end()) return bytes.empty();
  bool all = at % block_bytes == 0;
  for_each_block(bytes, [&](std::uint64_t number, std::span<const std::byte> block) {
    all = all && checksum(block) == checksums_[first->second + at / block_bytes + number];
  });
  return all;
}

std::string BlockChecksums::first_damaged(const MappedFile& file) const {
  for (const auto& [name, entry] : index_)
    if (!match(entry, 0, file.bytes().subspan(entry.offset, entry.bytes))) return name;
  return "";
}

}  // namespace wf
