// The form: 8 bytes n (little-endian), n bytes of JSON {"tensors": [{"dtype", "shape"} or null, ...], ...}, then the
// tensors' bytes one after the other.
#include "pipeline/parcel.hpp"

#include <ATen/ATen.h>

#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>

#include "cluster/error.hpp"

namespace wf {
namespace {

using Json = nlohmann::json;

static_assert(std::endian::native == std::endian::little);

/// All tensors of a clip, in the order of the form. Undefined ones have no bytes.
template <class AnyClip, class Use>
void for_each_tensor_of(AnyClip& clip, const Use& use) {
  use(clip.text.prompt.text);
  use(clip.text.negative.text);
  use(clip.state.x);
  use(clip.state.solver.corrected);
  use(clip.state.solver.m1);
  use(clip.state.solver.m2);
  use(clip.latents.x);
}

Json header_of(const Clip& clip) {
  Json tensors = Json::array();
  for_each_tensor_of(clip, [&](const at::Tensor& tensor) {
    if (tensor.defined())
      tensors.push_back({{"dtype", static_cast<int>(tensor.scalar_type())}, {"shape", tensor.sizes().vec()}});
    else
      tensors.push_back(nullptr);
  });
  return {{"tensors", std::move(tensors)},      {"step", clip.state.step},
          {"order", clip.state.solver.order},   {"seconds", clip.seconds},
          {"device_bytes", clip.device_bytes},  {"ranks", clip.ranks},
          {"steps_resumed", clip.steps_resumed},
          {"latents_sha256", clip.latents_sha256}};
}

void append(Bytes& bytes, const void* data, std::size_t size) {
  const std::size_t at = bytes.size();
  bytes.resize(at + size);
  std::memcpy(bytes.data() + at, data, size);
}

/// Takes what it is asked for from the front.
class Reader {
 public:
  explicit Reader(const Bytes& bytes) : bytes_(bytes) {}
  const std::uint8_t* take(std::size_t size) {
    if (size > bytes_.size() - at_) throw Error(Error::internal, "a parked clip's bytes are cut short");
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

at::Tensor read_tensor(Reader& reader, const Json& form) {
  if (form.is_null()) return {};
  const at::Tensor tensor = at::empty(form.at("shape").get<std::vector<std::int64_t>>(),
                                      at::TensorOptions(static_cast<at::ScalarType>(form.at("dtype").get<int>())));
  std::memcpy(tensor.data_ptr(), reader.take(tensor.nbytes()), tensor.nbytes());
  return tensor;
}

}  // namespace

Bytes pack(const Clip& clip) {
  const std::string header = header_of(clip).dump();
  const std::uint64_t size = header.size();
  Bytes bytes;
  append(bytes, &size, sizeof size);
  append(bytes, header.data(), header.size());
  for_each_tensor_of(clip, [&](const at::Tensor& tensor) {
    if (!tensor.defined()) return;
    const at::Tensor here = tensor.cpu().contiguous();
    append(bytes, here.const_data_ptr(), here.nbytes());
  });
  return bytes;
}

void unpack(const Bytes& bytes, Clip& clip, at::Device device) {
  Reader reader(bytes);
  const Json header = read_header(reader);
  std::size_t i = 0;
  for_each_tensor_of(clip, [&](at::Tensor& tensor) { tensor = read_tensor(reader, header.at("tensors").at(i++)); });
  SolverState& solver = clip.state.solver;
  for (at::Tensor* const tensor : {&clip.state.x, &solver.corrected, &solver.m1, &solver.m2, &clip.latents.x})
    if (tensor->defined()) *tensor = tensor->to(device);
  header.at("step").get_to(clip.state.step);
  header.at("order").get_to(clip.state.solver.order);
  header.at("seconds").get_to(clip.seconds);
  header.at("device_bytes").get_to(clip.device_bytes);
  header.at("ranks").get_to(clip.ranks);
  header.at("steps_resumed").get_to(clip.steps_resumed);
  header.at("latents_sha256").get_to(clip.latents_sha256);
}

}  // namespace wf
