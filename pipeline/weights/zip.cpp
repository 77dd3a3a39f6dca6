#include "pipeline/weights/zip.hpp"

#include <algorithm>
#include <string_view>
#include <vector>

#include "pipeline/weights/broken_file.hpp"
#include "pipeline/weights/byte_reader.hpp"
#include "pipeline/weights/foreign_files.hpp"

namespace wf {
namespace {

constexpr std::uint32_t end_signature = 0x06054b50, end64_signature = 0x06064b50, locator_signature = 0x07064b50,
                        central_signature = 0x02014b50, local_signature = 0x04034b50, descriptor_signature = 0x08074b50;
constexpr std::uint64_t end_bytes = 22, locator_bytes = 20, end64_bytes = 56;
constexpr std::uint32_t in_zip64 = 0xFFFFFFFF;  // marks a 32-bit field whose value is in the zip64 record
constexpr std::uint16_t encrypted = 1, has_descriptor = 8;

struct Directory {
  std::uint64_t offset, size, entries;
};

/// One entry of the central directory; its local header must agree with it.
struct CentralEntry {
  std::string name;
  std::uint16_t flags, method;
  std::uint64_t stored, size, header;
};

/// An entry with the byte range that it occupies, including its local header and descriptor.
struct Placed {
  std::string name;
  ZipEntry content;
  std::uint64_t begin, end;
};

class ZipReader {
 public:
  ZipReader(std::span<const std::byte> file, const std::string& name) : file_(file), name_(name) {}

  std::map<std::string, ZipEntry> read() const {
    const Directory directory = find_directory();
    ByteReader reader = at(directory.offset, directory.size, "the zip directory");
    std::vector<Placed> entries;
    for (std::uint64_t i = 0; i < directory.entries; ++i)
      entries.push_back(place(read_central(reader), directory.offset));
    if (reader.left() != 0) broken(name_, "its zip directory holds more than it counts");
    return index_of(std::move(entries));
  }

 private:
  ByteReader at(std::uint64_t offset, std::uint64_t size, const std::string& what) const {
    if (offset > file_.size() || size > file_.size() - offset)
      broken(name_, what + " reaches beyond the file's end (truncated?)");
    return ByteReader(file_.subspan(offset, size), name_, what);
  }
  ByteReader from(std::uint64_t offset, const std::string& what) const {
    return at(offset, file_.size() - std::min<std::uint64_t>(offset, file_.size()), what);
  }

  /// The offset of the end record: the last one whose comment ends exactly at the end of the file.
  std::uint64_t find_end() const {
    constexpr std::uint64_t max_comment_bytes = 0xFFFF;
    for (std::uint64_t back = end_bytes; back <= std::min<std::uint64_t>(end_bytes + max_comment_bytes, file_.size());
         ++back) {
      ByteReader reader = from(file_.size() - back, "the zip's end");
      if (reader.number<std::uint32_t>() != end_signature) continue;
      reader.text(16);
      if (reader.number<std::uint16_t>() == reader.left()) return file_.size() - back;
    }
    broken(name_, std::string("has no zip directory at its end; ") + fetch_again);
  }

  Directory find_directory() const {
    const std::uint64_t end = find_end();
    ByteReader reader = from(end + 4, "the zip's end");
    const auto disk = reader.number<std::uint16_t>(), first_disk = reader.number<std::uint16_t>();
    reader.number<std::uint16_t>();
    Directory directory{};
    directory.entries = reader.number<std::uint16_t>();
    directory.size = reader.number<std::uint32_t>();
    directory.offset = reader.number<std::uint32_t>();
    std::uint64_t behind = end;
    if (end >= locator_bytes + end64_bytes &&
        from(end - locator_bytes, "the zip64 locator").number<std::uint32_t>() == locator_signature)
      directory = read_end64(end - locator_bytes, behind);
    else if ((disk | first_disk) != 0)
      broken(name_, "is one part of a zip in several");
    if (directory.offset > behind || directory.size != behind - directory.offset)
      broken(name_, "its zip directory is not where the end record says");
    return directory;
  }

  /// The directory as the zip64 end record gives it. `behind` is set to the offset of that record, where the directory
  /// must end.
  Directory read_end64(std::uint64_t locator, std::uint64_t& behind) const {
    ByteReader place = from(locator + 8, "the zip64 locator");
    behind = place.number<std::uint64_t>();
    ByteReader reader = from(behind, "the zip64 end record");
    if (reader.number<std::uint32_t>() != end64_signature) broken(name_, "its zip64 locator points to no end record");
    reader.text(8 + 2 + 2 + 4 + 4 + 8);  // own size, versions, disks, entries on this disk
    Directory directory{};
    directory.entries = reader.number<std::uint64_t>();
    directory.size = reader.number<std::uint64_t>();
    directory.offset = reader.number<std::uint64_t>();
    return directory;
  }

  CentralEntry read_central(ByteReader& reader) const {
    if (reader.number<std::uint32_t>() != central_signature) broken(name_, "its zip directory is damaged");
    reader.text(4);
    CentralEntry entry{};
    entry.flags = reader.number<std::uint16_t>();
    entry.method = reader.number<std::uint16_t>();
    reader.text(8);  // time and checksum
    entry.stored = reader.number<std::uint32_t>();
    entry.size = reader.number<std::uint32_t>();
    const auto name_bytes = reader.number<std::uint16_t>(), extra_bytes = reader.number<std::uint16_t>(),
               comment_bytes = reader.number<std::uint16_t>();
    reader.text(2 + 2 + 4);  // disk and attributes
    entry.header = reader.number<std::uint32_t>();
    entry.name = reader.text(name_bytes);
    take_zip64(reader.text(extra_bytes), {&entry.size, &entry.stored, &entry.header});
    reader.text(comment_bytes);
    return entry;
  }

  /// Replaces those fields that are marked in_zip64 by the values, in this order, of the extra field with id 1.
  void take_zip64(std::string_view extra, std::initializer_list<std::uint64_t*> fields) const {
    ByteReader reader(std::as_bytes(std::span(extra)), name_, "a zip entry's extra field");
    while (reader.left() >= 4) {
      const auto id = reader.number<std::uint16_t>();
      const std::string_view content = reader.text(reader.number<std::uint16_t>());
      if (id != 1) continue;
      ByteReader values(std::as_bytes(std::span(content)), name_, "a zip64 field");
      for (std::uint64_t* field : fields)
        if (*field == in_zip64) *field = values.number<std::uint64_t>();
      return;
    }
  }

  Placed place(CentralEntry entry, std::uint64_t directory) const {
    const std::string where = name_ + ": zip entry " + printable(entry.name);
    if (entry.flags & encrypted) broken(where, "is encrypted");
    if (entry.method != 0 || entry.stored != entry.size)
      broken(where, "is compressed; torch.save stores entries as they are");
    Placed placed{entry.name, {0, entry.size}, entry.header, 0};
    placed.content.offset = entry.header + check_local_header(entry, where);
    if (placed.content.offset > directory || entry.size > directory - placed.content.offset)
      broken(where, "reaches into the zip directory");
    placed.end = placed.content.offset + entry.size;
    if (entry.flags & has_descriptor) placed.end += check_descriptor(placed, where);
    return placed;
  }

  /// Checks the local header against the directory and returns its length in bytes.
  std::uint64_t check_local_header(const CentralEntry& entry, const std::string& where) const {
    ByteReader reader = from(entry.header, "a zip entry's header");
    if (reader.number<std::uint32_t>() != local_signature) broken(where, "has no header where the directory says");
    reader.text(2 + 2);
    if (reader.number<std::uint16_t>() != entry.method) broken(where, "its header names another compression");
    reader.text(8);
    std::uint64_t stored = reader.number<std::uint32_t>(), size = reader.number<std::uint32_t>();
    const auto name_bytes = reader.number<std::uint16_t>(), extra_bytes = reader.number<std::uint16_t>();
    if (reader.text(name_bytes) != entry.name) broken(where, "its header has another name");
    take_zip64(reader.text(extra_bytes), {&size, &stored});
    if (!(entry.flags & has_descriptor) && (stored != entry.stored || size != entry.size))
      broken(where, "its header has another size than the directory");
    return 30u + name_bytes + extra_bytes;
  }

  /// Checks the data descriptor, which follows the data when its size was unknown while the header was written, and
  /// holds sizes of 32 or 64 bits. Returns its length in bytes.
  std::uint64_t check_descriptor(const Placed& placed, const std::string& where) const {
    const std::uint64_t size = placed.content.size;
    ByteReader reader = from(placed.end, "a zip data descriptor");
    if (reader.number<std::uint32_t>() != descriptor_signature) broken(where, "has no data descriptor");
    reader.text(4);
    const auto first = reader.number<std::uint32_t>(), second = reader.number<std::uint32_t>();
    if (first == size && second == size) return 16;
    if (reader.left() >= 8 && first == (size & in_zip64) && second == size >> 32 &&
        reader.number<std::uint64_t>() == size)
      return 24;
    broken(where, "its data descriptor has another size than the directory");
  }

  std::map<std::string, ZipEntry> index_of(std::vector<Placed> entries) const {
    std::sort(entries.begin(), entries.end(), [](const Placed& a, const Placed& b) { return a.begin < b.begin; });
    std::map<std::string, ZipEntry> index;
    std::uint64_t behind = 0;
    for (const Placed& entry : entries) {
      if (entry.begin < behind) broken(name_, "zip entry " + printable(entry.name) + " overlaps another");
      if (!index.emplace(entry.name, entry.content).second)
        broken(name_, "zip entry " + printable(entry.name) + " is there twice");
      behind = entry.end;
    }
    return index;
  }

  std::span<const std::byte> file_;
  const std::string& name_;
};

}  // namespace

std::map<std::string, ZipEntry> read_zip_directory(std::span<const std::byte> file, const std::string& name) {
  return ZipReader(file, name).read();
}

}  // namespace wf
