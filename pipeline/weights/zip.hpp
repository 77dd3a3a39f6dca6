// pipeline/weights/zip.hpp: the directory of a zip file whose entries are stored, not compressed, as torch.save writes.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

namespace wf {

/// Where an entry's content lies: inside the file, overlapping no other entry and no header.
struct ZipEntry {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

/// Entries by name. Source: PKWARE's APPNOTE 6.3, with zip64 (files and entries over 4 GB). The central directory
/// decides; local headers and data descriptors must agree with it. Checksums are not computed: that would read the
/// whole file. Throws broken(file): no or two directories, entries compressed, encrypted, spanned, named twice,
/// overlapping, beyond the file.
std::map<std::string, ZipEntry> read_zip_directory(std::span<const std::byte> file, const std::string& name);

}  // namespace wf
