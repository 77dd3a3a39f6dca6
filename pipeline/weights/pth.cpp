// torch.save writes a state dict as a zip with ROOT/data.pkl, the pickled dictionary, and ROOT/data/KEY for each
// storage. In the pickle a tensor is the call torch._utils._rebuild_tensor_v2(storage, offset, shape, strides,
// requires_grad, hooks), and a storage the persistent id ("storage", torch.FloatStorage, KEY, location, number of
// elements).
#include <array>
#include <string_view>
#include <utility>

#include "pipeline/weights/broken_file.hpp"
#include "pipeline/weights/pickle.hpp"
#include "pipeline/weights/tensor_file.hpp"
#include "pipeline/weights/zip.hpp"

namespace wf {
namespace {

using Directory = std::map<std::string, ZipEntry>;

constexpr std::string_view rebuild_tensor = "torch._utils._rebuild_tensor_v2";
constexpr std::uint64_t max_pickle_bytes = 16 << 20;  // the largest published pickle has 200 kB
constexpr std::array<std::string_view, 12> allowed_globals = {
    "collections.OrderedDict", rebuild_tensor,        "torch.FloatStorage", "torch.BFloat16Storage",
    "torch.HalfStorage",       "torch.DoubleStorage", "torch.LongStorage",  "torch.IntStorage",
    "torch.ShortStorage",      "torch.CharStorage",   "torch.ByteStorage",  "torch.BoolStorage"};
constexpr std::array<DType, 10> storage_dtypes = {DType::f32, DType::bf16, DType::f16, DType::f64, DType::i64,
                                                  DType::i32, DType::i16,  DType::i8,  DType::u8,  DType::boolean};

/// The prefix "ROOT/" of the only ROOT/data.pkl in the zip.
std::string find_root(const Directory& zip, const std::string& file) {
  constexpr std::string_view pickle = "data.pkl";
  std::string root;
  for (const auto& [name, entry] : zip) {
    if (!name.ends_with("/data.pkl")) continue;
    if (!root.empty()) broken(file, "holds two data.pkl: which is the checkpoint?");
    root = name.substr(0, name.size() - pickle.size());
  }
  if (root.empty()) broken(file, "is a zip without data.pkl: not made by torch.save");
  return root;
}

std::span<const std::byte> content(std::span<const std::byte> file, const ZipEntry& entry) {
  return file.subspan(entry.offset, entry.size);
}

void check_byte_order(const Directory& zip, const std::string& root, std::span<const std::byte> file,
                      const std::string& name) {
  const auto found = zip.find(root + "byteorder");
  if (found == zip.end()) return;  // torch before 2.1 wrote no such entry, and always little-endian
  const auto bytes = content(file, found->second);
  const std::string_view order(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (order != "little") broken(name, "its byte order is " + printable(order) + ", not little");
}

/// Builds the tensor index from the objects of the pickle.
class TensorReader {
 public:
  TensorReader(const Directory& zip, std::string root, const std::string& file)
      : zip_(zip), root_(std::move(root)), file_(file) {}

  TensorIndex read(const PickleObject& state) {
    if (state.kind != PickleObject::dict)
      broken(file_, std::string("holds ") + to_string(state.kind) + ", not a dictionary of tensors");
    TensorIndex index;
    for (std::size_t i = 0; i < state.items.size(); i += 2) {
      const PickleObject& key = *state.items[i];
      if (key.kind != PickleObject::text)
        broken(file_, std::string("a key is ") + to_string(key.kind) + ", not a tensor's name");
      where_ = file_ + ": tensor " + printable(key.string);
      if (!index.emplace(key.string, read_tensor(*state.items[i + 1])).second) broken(where_, "is there twice");
    }
    return index;
  }

 private:
  struct Storage {
    DType dtype;
    ZipEntry place;
    std::int64_t elements;
  };

  TensorEntry read_tensor(const PickleObject& object) const {
    if (object.kind != PickleObject::call)
      broken(where_, std::string("is ") + to_string(object.kind) + "; only a flat dictionary of tensors is read");
    const auto& arguments = object.items[1]->items;
    if (object.items[0]->string != rebuild_tensor || arguments.size() < 6 || arguments.size() > 7)
      broken(where_, "is not made the way torch.save writes a tensor");
    const Storage storage = read_storage(*arguments[0]);
    const std::int64_t first = whole_number(*arguments[1]);
    TensorEntry entry;
    entry.dtype = storage.dtype;
    entry.shape = whole_numbers(*arguments[2]);
    entry.strides = whole_numbers(*arguments[3]);
    const std::int64_t extent = checked_extent(entry, first, storage.elements);
    entry.offset = storage.place.offset + static_cast<std::uint64_t>(first) * size_of(entry.dtype);
    entry.bytes = static_cast<std::uint64_t>(extent) * size_of(entry.dtype);
    return entry;
  }

  Storage read_storage(const PickleObject& object) const {
    if (object.kind != PickleObject::persistent || object.items[0]->kind != PickleObject::tuple ||
        object.items[0]->items.size() != 5)
      broken(where_, "has no storage");
    const auto& id = object.items[0]->items;
    const DType dtype = storage_dtype(*id[1]);
    const std::int64_t elements = whole_number(*id[4]);
    if (id[2]->kind != PickleObject::text || id[2]->string.size() > 64) broken(where_, "its storage has no name");
    const auto entry = zip_.find(root_ + "data/" + std::string(id[2]->string));
    if (entry == zip_.end()) broken(where_, "its storage data/" + printable(id[2]->string) + " is not in the zip");
    if (entry->second.size % size_of(dtype) != 0 ||
        entry->second.size / size_of(dtype) != static_cast<std::uint64_t>(elements))
      broken(where_, "its storage has " + std::to_string(entry->second.size) + " bytes, not " +
                         std::to_string(elements) + " of " + to_string(dtype));
    return {dtype, entry->second, elements};
  }

  DType storage_dtype(const PickleObject& type) const {
    for (std::size_t i = 0; i < storage_dtypes.size(); ++i)
      if (type.kind == PickleObject::global && type.string == allowed_globals[i + 2]) return storage_dtypes[i];
    broken(where_, "its storage has no element type");
  }

  std::int64_t whole_number(const PickleObject& object) const {
    if (object.kind != PickleObject::integer || object.number < 0)
      broken(where_, "has a size, stride or offset that is no whole number");
    return object.number;
  }

  std::vector<std::int64_t> whole_numbers(const PickleObject& tuple) const {
    if (tuple.kind != PickleObject::tuple || tuple.items.size() > 16)
      broken(where_, "has no shape of at most 16 dimensions");
    std::vector<std::int64_t> numbers;
    for (const PickleObject* item : tuple.items) numbers.push_back(whole_number(*item));
    return numbers;
  }

  /// The distance from the first to the last element, both included, in elements. A tensor with more elements than its
  /// storage (stride 0) is refused, since it could ask for any amount of memory.
  std::int64_t checked_extent(const TensorEntry& entry, std::int64_t first, std::int64_t elements) const {
    if (entry.shape.size() != entry.strides.size()) broken(where_, "its shape and strides do not fit each other");
    const std::int64_t count = element_count(entry.shape, where_);
    if (count > elements) broken(where_, "its shape " + to_string(entry.shape) + " is more than its storage holds");
    std::int64_t extent = count > 0 ? 1 : 0;
    bool overflow = false;
    for (std::size_t i = 0; count > 0 && i < entry.shape.size(); ++i) {
      std::int64_t step = 0;
      overflow |= __builtin_mul_overflow(entry.shape[i] - 1, entry.strides[i], &step);
      overflow |= __builtin_add_overflow(extent, step, &extent);
    }
    if (overflow || first > elements || extent > elements - first) broken(where_, "reaches beyond its storage");
    return extent;
  }

  const Directory& zip_;
  const std::string root_;
  const std::string& file_;
  std::string where_;  ///< "FILE: tensor NAME" of the tensor being read.
};

}  // namespace

TensorIndex read_pth_index(std::span<const std::byte> file, const std::string& name) {
  const Directory zip = read_zip_directory(file, name);
  const std::string root = find_root(zip, name);
  check_byte_order(zip, root, file, name);
  const ZipEntry& entry = zip.at(root + "data.pkl");
  if (entry.size > max_pickle_bytes)
    broken(name, "its data.pkl of " + std::to_string(entry.size) + " bytes is over the limit of 16 MiB");
  const Pickle pickle = read_pickle(content(file, entry), name, allowed_globals);
  return TensorReader(zip, root, name).read(*pickle.root);
}

}  // namespace wf
