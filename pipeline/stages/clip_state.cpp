// pipeline/stages/clip_state.cpp: packing and unpacking. The format: 8 bytes n (little-endian), n bytes of JSON
// {"tensors": [{"dtype", "shape"} or null, ...], ...}, then the tensors' bytes one after the other. Both ends run the
// same program, so the format has no version.
#include "pipeline/stages/clip_state.hpp"

#include <ATen/ATen.h>

#include <array>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "parallel/host_copy.hpp"

namespace wf {
namespace {

using Json = nlohmann::json;

static_assert(std::endian::native == std::endian::little);

constexpr std::size_t text_tensors = 2;  ///< the first tensors of the format, which stay on the CPU

/// Pointers to all tensors of a clip, in the format's order. Undefined tensors have no bytes.
template <class AnyClip>
auto tensors_of(AnyClip& clip) {
  auto& solver = clip.state.solver;
  return std::array{
      &clip.text.prompt.text, &clip.text.negative.text, &clip.state.x, &solver.corrected, &solver.m1, &solver.m2,
      &clip.latents.x};
}

Json header_of(const Clip& clip) {
  Json tensors = Json::array();
  for (const at::Tensor* const tensor : tensors_of(clip)) {
    if (tensor->defined())
      tensors.push_back({{"dtype", static_cast<int>(tensor->scalar_type())}, {"shape", tensor->sizes().vec()}});
    else
      tensors.push_back(nullptr);
  }
  return {{"tensors", std::move(tensors)},       {"step", clip.state.step},
          {"order", clip.state.solver.order},    {"seconds", clip.seconds},
          {"device_bytes", clip.device_bytes},   {"ranks", clip.ranks},
          {"steps_resumed", clip.steps_resumed}, {"latents_sha256", clip.latents_sha256}};
}

/// Reads bytes from the front to the back.
class Reader {
 public:
  explicit Reader(const Bytes& bytes) : bytes_(bytes) {}
  const std::uint8_t* take(std::size_t size) {
    if (size > bytes_.size() - at_) throw Error(Error::internal, "a stashed clip's bytes are cut short");
    at_ += size;
    return bytes_.data() + at_ - size;
  }

 private:
  const Bytes& bytes_;
  std::size_t at_ = 0;
};

Json read_header(Reader& reader) {
  std::uint64_t size = 0;
  std::memcpy(&size, reader.take(sizeof size), sizeof size);
  const std::uint8_t* const text = reader.take(size);
  return Json::parse(text, text + size);
}

at::Tensor read_tensor(Reader& reader, const Json& entry, at::Device device) {
  if (entry.is_null()) return {};
  const auto dtype = static_cast<at::ScalarType>(entry.at("dtype").get<int>());
  const auto shape = entry.at("shape").get<std::vector<std::int64_t>>();
  const at::Tensor tensor = at::empty(shape, at::TensorOptions(dtype).device(device));
  copy_to_device(reader.take(tensor.nbytes()), tensor);
  return tensor;
}

}  // namespace

Bytes pack(const Clip& clip) {
  const std::string header = header_of(clip).dump();
  const std::uint64_t size = header.size();
  std::size_t total = sizeof size + size;
  for (const at::Tensor* const tensor : tensors_of(clip)) total += tensor->defined() ? tensor->nbytes() : 0;
  Bytes bytes(total);
  std::memcpy(bytes.data(), &size, sizeof size);
  std::memcpy(bytes.data() + sizeof size, header.data(), size);
  std::uint8_t* end = bytes.data() + sizeof size + size;
  for (const at::Tensor* const tensor : tensors_of(clip)) {
    if (!tensor->defined()) continue;
    copy_to_host(*tensor, end);
    end += tensor->nbytes();
  }
  return bytes;
}

void unpack(const Bytes& bytes, Clip& clip, at::Device device) {
  Reader reader(bytes);
  const Json header = read_header(reader);
  const auto tensors = tensors_of(clip);
  for (std::size_t i = 0; i < tensors.size(); ++i)
    *tensors[i] = read_tensor(reader, header.at("tensors").at(i), i < text_tensors ? at::Device(at::kCPU) : device);
  header.at("step").get_to(clip.state.step);
  header.at("order").get_to(clip.state.solver.order);
  header.at("seconds").get_to(clip.seconds);
  header.at("device_bytes").get_to(clip.device_bytes);
  header.at("ranks").get_to(clip.ranks);
  header.at("steps_resumed").get_to(clip.steps_resumed);
  header.at("latents_sha256").get_to(clip.latents_sha256);
}

}  // namespace wf
