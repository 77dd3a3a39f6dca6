#include "pipeline/weights/tensor_file.hpp"

#include <array>

#include "base/lfs_pointer.hpp"
#include "pipeline/weights/broken_file.hpp"
#include "pipeline/weights/foreign_files.hpp"
#include "pipeline/weights/random_manifest.hpp"

namespace wf {
namespace {

struct TypeFacts {
  const char* name;
  std::size_t size;
};

// In the order of DType.
constexpr std::array<TypeFacts, 12> facts = {{{"F64", 8},
                                              {"F32", 4},
                                              {"BF16", 2},
                                              {"F16", 2},
                                              {"F8_E4M3", 1},
                                              {"F8_E5M2", 1},
                                              {"I64", 8},
                                              {"I32", 4},
                                              {"I16", 2},
                                              {"I8", 1},
                                              {"U8", 1},
                                              {"BOOL", 1}}};

}  // namespace

std::size_t size_of(DType type) noexcept { return facts[static_cast<std::size_t>(type)].size; }

const char* to_string(DType type) noexcept { return facts[static_cast<std::size_t>(type)].name; }

std::optional<DType> dtype_named(std::string_view safetensors) noexcept {
  for (std::size_t i = 0; i < facts.size(); ++i)
    if (safetensors == facts[i].name) return static_cast<DType>(i);
  return std::nullopt;
}

bool is_f8(DType type) noexcept { return type == DType::f8_e4m3 || type == DType::f8_e5m2; }

std::uint64_t bytes_of(DType type, const std::vector<std::int64_t>& shape) noexcept {
  std::uint64_t bytes = size_of(type);
  for (const std::int64_t extent : shape) bytes *= static_cast<std::uint64_t>(extent);
  return bytes;
}

TensorIndex read_tensor_index(std::span<const std::byte> file, const std::string& name) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  refuse_lfs_pointer(text, name);
  if (name.ends_with(random_manifest_ending)) return read_random_manifest(text, name);
  refuse_foreign_file(text, name);
  if (text.starts_with("PK\3\4")) return read_pth_index(file, name);
  if (text.starts_with("\x80\x02\x8a\x0a"))  // a pickled long: the magic number of torch.save before 1.6
    broken(name,
           "was saved in torch's format from before 1.6; save it again with a later torch, or use a .safetensors file");
  return read_safetensors_index(file, name);
}

std::map<std::string, std::string> read_metadata(std::span<const std::byte> file, const std::string& name) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  if (name.ends_with(random_manifest_ending) || text.starts_with("PK\3\4")) return {};
  return read_safetensors_metadata(file, name);
}

}  // namespace wf
