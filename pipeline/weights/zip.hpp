// pipeline/weights/zip.hpp: the directory of a zip file whose entries are stored without compression, as by torch.save.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

namespace wf {

/// The location of an entry's content, in bytes: inside the file, overlapping no other entry and no header.
struct ZipEntry {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

/// The entries of a zip by name. Source: PKWARE's APPNOTE 6.3, with zip64 (files and entries over 4 GB). The central
/// directory is authoritative; local headers and data descriptors must agree with it. Checksums are not verified, which
/// would mean reading the whole file. Throws broken(name) when the directory is missing or ambiguous, or an entry is
/// compressed, encrypted, spanned over disks, named twice, overlapping another or beyond the file.
std::map<std::string, ZipEntry> read_zip_directory(std::span<const std::byte> file, const std::string& name);

}  // namespace wf
