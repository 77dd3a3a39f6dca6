// tests/pipeline/weights/made_files.hpp: checkpoint files composed byte by byte, so that a test can make any field
// of them wrong.
#pragma once

#include <cstdint>
#include <ostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace wf::made {

template <class Number>
std::string bytes_of(Number number) {
  return {reinterpret_cast<const char*>(&number), sizeof number};
}

// --- safetensors

inline std::string safetensors(const std::string& header, const std::string& data) {
  return bytes_of<std::uint64_t>(header.size()) + header + data;
}

// --- pickle, protocol 2

inline std::string text(const std::string& content) {
  return std::string("X").append(bytes_of(static_cast<std::uint32_t>(content.size()))).append(content);
}
inline std::string integer(std::int64_t number) { return "\x8a\x08" + bytes_of(number); }
inline std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
inline std::string tuple(const std::string& items) { return "(" + items + "t"; }
inline std::string integers(const std::vector<std::int64_t>& numbers) {
  std::string items;
  for (const std::int64_t number : numbers) items += integer(number);
  return tuple(items);
}

struct PickledTensor {
  std::string storage = "FloatStorage", key = "0";
  std::int64_t elements = 12, offset = 0;
  std::vector<std::int64_t> shape = {3, 4}, strides = {4, 1};
};

inline std::string tensor(const PickledTensor& tensor) {
  const std::string id = tuple(text("storage") + global("torch", tensor.storage) + text(tensor.key) + text("cpu") +
                               integer(tensor.elements));
  return global("torch._utils", "_rebuild_tensor_v2") +
         tuple(id + "Q" + integer(tensor.offset) + integers(tensor.shape) + integers(tensor.strides) + "\x89" +
               global("collections", "OrderedDict") + ")R") +
         "R";
}

inline std::string dictionary(const std::vector<std::pair<std::string, std::string>>& items) {
  std::string pickle = "\x80\x02}(";
  for (const auto& [name, value] : items) pickle += text(name) + value;
  return pickle + "u.";
}

// --- zip

struct ZipPart {
  std::string name, content;
  std::uint64_t zeros = 0;  ///< Size of a hole in the file that takes the place of the content.
  std::uint64_t size() const { return content.size() + zeros; }
};

/// Writes stored entries. With `descriptors`, as torch.save does it: the local headers give sizes of 0, and descriptors
/// after the data give the sizes; without, as other programs do it: the headers give the sizes. Numbers are in zip64
/// form where they need it; the zip64 end record is always written.
inline void write_zip(std::ostream& out, const std::vector<ZipPart>& parts, bool descriptors = true) {
  const auto short_of = [](std::uint64_t n) {
    return bytes_of(static_cast<std::uint32_t>(n < 0xFFFFFFFF ? n : 0xFFFFFFFF));
  };
  const auto zip64 = [](const std::vector<std::uint64_t>& numbers) {
    std::string field;
    for (const std::uint64_t n : numbers)
      if (n >= 0xFFFFFFFF) field += bytes_of(n);
    return field.empty() ? field
                         : bytes_of<std::uint16_t>(1) + bytes_of(static_cast<std::uint16_t>(field.size())) + field;
  };
  const auto lengths = [](const std::string& name, const std::string& extra) {
    return bytes_of(static_cast<std::uint16_t>(name.size())) + bytes_of(static_cast<std::uint16_t>(extra.size()));
  };
  const std::string kind = bytes_of<std::uint16_t>(descriptors ? 8 : 0) + bytes_of<std::uint16_t>(0);  // flags, method
  std::string directory;
  for (const ZipPart& part : parts) {
    const auto begin = static_cast<std::uint64_t>(out.tellp()), size = part.size(), local = descriptors ? 0 : size;
    const std::string extra = zip64({local, local});
    out << "PK\3\4" + std::string(2, '\0') + kind + std::string(8, '\0') + short_of(local) + short_of(local) +
               lengths(part.name, extra) + part.name + extra + part.content;
    if (part.zeros) out.seekp(static_cast<std::streamoff>(part.zeros), std::ios::cur);
    if (descriptors)
      out << "PK\7\x8" + std::string(4, '\0') +
                 (size < 0xFFFFFFFF ? short_of(size) + short_of(size) : bytes_of(size) + bytes_of(size));
    const std::string central_extra = zip64({size, size, begin});
    directory += "PK\1\2" + std::string(4, '\0') + kind + std::string(8, '\0') + short_of(size) + short_of(size) +
                 lengths(part.name, central_extra) + std::string(10, '\0') + short_of(begin) + part.name +
                 central_extra;
  }
  const auto place = static_cast<std::uint64_t>(out.tellp()), end = place + directory.size(), count = parts.size();
  out << directory;
  out << "PK\6\6" + bytes_of<std::uint64_t>(44) + std::string(12, '\0') + bytes_of(count) + bytes_of(count) +
             bytes_of(directory.size()) + bytes_of(place);
  out << "PK\6\7" + std::string(4, '\0') + bytes_of(end) + bytes_of<std::uint32_t>(1);
  const std::string short_count = bytes_of(static_cast<std::uint16_t>(count));
  out << "PK\5\6" + std::string(4, '\0') + short_count + short_count + short_of(directory.size()) + short_of(place) +
             std::string(2, '\0');
}

inline std::string zip(const std::vector<ZipPart>& parts, bool descriptors = true) {
  std::ostringstream out;
  write_zip(out, parts, descriptors);
  return out.str();
}

/// A complete .pth file with `pickle`, `byte_order` and one storage data/0 of 48 bytes: the floats 0, 1, ... 11.
inline std::string pth(const std::string& pickle, const std::string& byte_order = "little", bool descriptors = true) {
  std::string storage;
  for (int i = 0; i < 12; ++i) storage += bytes_of(static_cast<float>(i));
  return zip({{"model/data.pkl", pickle}, {"model/byteorder", byte_order}, {"model/data/0", storage}}, descriptors);
}

}  // namespace wf::made
