#include "pipeline/stages/store.hpp"

#include <ATen/ATen.h>
#include <c10/core/ScalarType.h>
#include <hdf5.h>
#include <spdlog/fmt/fmt.h>

#include <cstdint>
#include <exception>
#include <mutex>
#include <random>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/fault.hpp"
#include "base/log.hpp"
#include "base/sha256.hpp"

namespace wf {
namespace {

/// HDF5 can be built in a way in which only one thread at a time may use it.
std::mutex one_thread_in_hdf5;

void check(herr_t result, const char* what) {
  if (result < 0) throw Error(Error::storage, std::string("HDF5 cannot ") + what);
}

/// An HDF5 handle that closes itself.
class Handle {
 public:
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {
    if (id_ < 0) throw Error(Error::storage, "HDF5 refused");
  }
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  operator hid_t() const noexcept { return id_; }
  /// Closes it now. To be called for what was written: HDF5 may keep data back until then, and tells only here that
  /// they could not be written.
  void complete() { check(close_(std::exchange(id_, -1)), "write the last data"); }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

/// Has to be called before HDF5 is used. HDF5 (1.10.8) crashes at the end of a process that could not close a file for
/// lack of room, so it is kept from cleaning up then. Its stack traces are turned off: the exceptions thrown here are
/// enough.
void prepare_hdf5() {
  static const herr_t not_at_exit = H5dont_atexit();
  static_cast<void>(not_at_exit);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

void write_tensor(hid_t file, const char* name, const at::Tensor& tensor) {
  const at::Tensor data = tensor.cpu().contiguous();
  const std::vector<hsize_t> shape(data.sizes().begin(), data.sizes().end());
  const Handle space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), H5Sclose);
  Handle set(H5Dcreate2(file, name, H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Dclose);
  check(H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, data.const_data_ptr<float>()),
        "write a dataset");
  set.complete();
}

/// Refuses a dataset that is not what it was stored as, before memory is taken for it: in a damaged file its shape and
/// type may be anything.
void check_dataset(hid_t set, hid_t type, H5T_class_t stored_as, std::uint64_t bytes) {
  const bool fits = H5Tget_class(type) == stored_as && H5Tis_variable_str(type) <= 0;
  if (!fits || H5Dget_storage_size(set) != bytes) throw Error(Error::storage, "a dataset has another type or size");
}

/// The bytes of a file bound those of its datasets.
std::uint64_t bytes_of_file(hid_t set) {
  const Handle file(H5Iget_file_id(set), H5Fclose);
  hsize_t bytes = 0;
  check(H5Fget_filesize(file, &bytes), "tell the size of the file");
  return bytes;
}

/// The shape of a dataset of f32. Its elements are counted within what the file can hold.
std::vector<std::int64_t> shape_of(hid_t set) {
  const Handle space(H5Dget_space(set), H5Sclose), type(H5Dget_type(set), H5Tclose);
  const int dims = H5Sget_simple_extent_ndims(space);
  if (dims < 0) throw Error(Error::storage, "a dataset has no shape");
  std::vector<hsize_t> shape(static_cast<std::size_t>(dims));
  check(H5Sget_simple_extent_dims(space, shape.data(), nullptr), "read a shape");
  const std::uint64_t most = bytes_of_file(set);
  std::uint64_t bytes = sizeof(float);
  for (const hsize_t size : shape) {
    if (size == 0 || size > most / bytes) throw Error(Error::storage, "a dataset is larger than its file");
    bytes *= size;
  }
  check_dataset(set, type, H5T_FLOAT, bytes);
  return {shape.begin(), shape.end()};
}

at::Tensor read_tensor(hid_t file, const char* name) {
  if (H5Lexists(file, name, H5P_DEFAULT) <= 0) return {};
  const Handle set(H5Dopen2(file, name, H5P_DEFAULT), H5Dclose);
  at::Tensor tensor = at::empty(shape_of(set), at::kFloat);
  check(H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, tensor.mutable_data_ptr<float>()),
        "read a dataset");
  return tensor;
}

void write_text(hid_t file, const char* name, const std::string& text) {
  const Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  check(H5Tset_size(type, text.size() + 1), "size a text");
  H5Tset_cset(type, H5T_CSET_UTF8);
  const Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  // A dataset, not an attribute: those are limited to 64 KiB, a prompt's job is not.
  Handle set(H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Dclose);
  check(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text.c_str()), "write a text");
  set.complete();
}

std::string read_text(hid_t file, const char* name) {
  const Handle set(H5Dopen2(file, name, H5P_DEFAULT), H5Dclose);
  const Handle space(H5Dget_space(set), H5Sclose), type(H5Dget_type(set), H5Tclose);
  const std::size_t size = H5Tget_size(type);
  if (size > bytes_of_file(set) || H5Sget_simple_extent_npoints(space) != 1)
    throw Error(Error::storage, "a text is larger than its file");
  check_dataset(set, type, H5T_STRING, size);
  std::string text(size, '\0');
  check(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text.data()), "read a text");
  return text.substr(0, text.find('\0'));
}

void write_number(hid_t file, const char* name, std::int64_t value) {
  const Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  Handle set(H5Dcreate2(file, name, H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Dclose);
  check(H5Dwrite(set, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, &value), "write a number");
  set.complete();
}

std::int64_t read_number(hid_t file, const char* name) {
  const Handle set(H5Dopen2(file, name, H5P_DEFAULT), H5Dclose);
  const Handle space(H5Dget_space(set), H5Sclose), type(H5Dget_type(set), H5Tclose);
  if (H5Sget_simple_extent_npoints(space) != 1) throw Error(Error::storage, "a number has several values");
  std::int64_t value = 0;
  check_dataset(set, type, H5T_INTEGER, sizeof value);
  check(H5Dread(set, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, &value), "read a number");
  return value;
}

/// The name under which this process writes the file. Another one may be writing the same state: a rank that counts as
/// lost may still be alive.
Path part_of(const Path& path) {
  static const std::string process = std::to_string(std::random_device{}());
  return path.string() + "." + process + ".part";
}

/// Lets `write` fill a new file in the folder of `path` and renames it to `path` when it is complete.
template <class Write>
void write_h5(const Path& path, Write&& write) {
  const Path part = part_of(path);
  try {
    within(path.string(), [&] {
      const std::lock_guard lock(one_thread_in_hdf5);
      prepare_hdf5();
      Handle file(H5Fcreate(part.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
      write(static_cast<hid_t>(file));
      check(H5Fflush(file, H5F_SCOPE_GLOBAL), "flush the file");
      file.complete();
    });
    publish_file(part, path);
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(part, ignored);
    throw;
  }
}

/// A tensor of a stored state and the name of its dataset.
struct StateTensor {
  const char* name;
  at::Tensor& (*of)(StoredState&);
};
constexpr StateTensor state_tensors[] = {
    {"x", [](StoredState& s) -> at::Tensor& { return s.state.x; }},
    {"corrected", [](StoredState& s) -> at::Tensor& { return s.state.solver.corrected; }},
    {"m1", [](StoredState& s) -> at::Tensor& { return s.state.solver.m1; }},
    {"m2", [](StoredState& s) -> at::Tensor& { return s.state.solver.m2; }},
};
/// Embeddings may be bf16, which the file holds as f32 of the same values.
constexpr StateTensor text_tensors[] = {
    {"prompt", [](StoredState& s) -> at::Tensor& { return s.text.prompt.text; }},
    {"negative_prompt", [](StoredState& s) -> at::Tensor& { return s.text.negative.text; }},
};
constexpr const char* bf16_text = "bf16_text";  ///< dataset: 1 when the embeddings are bf16

void read_text_tensors(hid_t h5, StoredState& stored) {
  if (H5Lexists(h5, bf16_text, H5P_DEFAULT) <= 0) return;
  const at::ScalarType dtype = read_number(h5, bf16_text) == 1 ? at::kBFloat16 : at::kFloat;
  for (const StateTensor& tensor : text_tensors)
    if (const at::Tensor text = read_tensor(h5, tensor.name); text.defined()) tensor.of(stored) = text.to(dtype);
}

/// Of the step, the solver's order and the bytes of all tensors, in the order of the two tables.
std::string content_hash(StoredState& stored) {
  Sha256 hash;
  hash.update(fmt::format("step {} order {}\n", stored.state.step, stored.state.solver.order));
  const auto add = [&](const char* name, const at::Tensor& tensor) {
    if (!tensor.defined()) return;
    const at::Tensor bytes = tensor.to(at::kCPU, at::kFloat).contiguous();
    hash.update(fmt::format("{} {} {}\n", name, c10::toString(tensor.scalar_type()), fmt::join(tensor.sizes(), "x")));
    hash.update(bytes.const_data_ptr(), bytes.nbytes());
  };
  for (const StateTensor& tensor : state_tensors) add(tensor.name, tensor.of(stored));
  for (const StateTensor& tensor : text_tensors) add(tensor.name, tensor.of(stored));
  return hash.hex();
}
constexpr const char* hash_name = "content_sha256";  ///< dataset: content_hash()

/// A clip that went on from data that the disk has changed would look right and be wrong. A damaged index hides several
/// datasets at once, so none is taken without the hash.
void check_content(hid_t h5, StoredState& stored) {
  if (H5Lexists(h5, hash_name, H5P_DEFAULT) <= 0)
    throw Error(Error::storage, "it has no hash of its content; another version may have stored it");
  if (read_text(h5, hash_name) != content_hash(stored))
    throw Error(Error::storage, "its content is not what was stored");
}

/// Calls read(the open file) if the file is there, whole, and of this fingerprint, and returns the result.
template <class Read>
auto read_stored(const Path& file, const std::string& fingerprint, const Read& read)
    -> std::optional<decltype(read(hid_t{}))> {
  if (!std::filesystem::exists(file)) return {};
  const std::lock_guard lock(one_thread_in_hdf5);
  prepare_hdf5();
  try {
    const Handle h5(H5Fopen(file.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
    if (read_text(h5, "fingerprint") == fingerprint) return read(h5);
    spdlog::info("{}: the stored state is of another job or model and is not continued", file.string());
  } catch (const std::exception&) {
    spdlog::warn("{}: the stored state is broken; the clip starts from the beginning ({})", file.string(),
                 current_error().what());
  }
  return {};
}

}  // namespace

void store_latents(const Path& file, const Latents& latents, const std::string& job) {
  write_h5(file, [&](hid_t h5) {
    write_tensor(h5, "latents", latents.x);
    write_text(h5, "job", job);
  });
}

Latents load_latents(const Path& file) {
  const std::lock_guard lock(one_thread_in_hdf5);
  prepare_hdf5();
  try {
    const Handle h5(H5Fopen(file.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
    at::Tensor x = read_tensor(h5, "latents");
    if (x.defined() && x.dim() == 4) return {x};
  } catch (const std::exception&) {  // HDF5's error would not help a user; the one below does
  }
  throw Error(Error::input, file.string() + ": is not an HDF5 file with a dataset 'latents' of four dimensions");
}

void store_state(const Path& file, const StoredState& stored, const std::string& fingerprint) {
  fault_point("store");
  StoredState copy = stored;  // on the host, for it is both written and hashed
  for (const StateTensor& tensor : state_tensors)
    if (tensor.of(copy).defined()) tensor.of(copy) = tensor.of(copy).cpu();
  write_h5(file, [&](hid_t h5) {
    for (const StateTensor& tensor : state_tensors)
      if (tensor.of(copy).defined()) write_tensor(h5, tensor.name, tensor.of(copy));
    if (copy.text.prompt.text.defined()) {
      write_number(h5, bf16_text, copy.text.prompt.text.scalar_type() == at::kBFloat16 ? 1 : 0);
      for (const StateTensor& tensor : text_tensors)
        if (tensor.of(copy).defined()) write_tensor(h5, tensor.name, tensor.of(copy).to(at::kFloat));
    }
    write_number(h5, "order", copy.state.solver.order);
    write_number(h5, "step", copy.state.step);
    write_text(h5, hash_name, content_hash(copy));
    write_text(h5, "fingerprint", fingerprint);
  });
}

std::optional<StoredState> load_state(const Path& file, const std::string& fingerprint, at::Device device) {
  return read_stored(file, fingerprint, [&](hid_t h5) {
    StoredState stored;
    for (const StateTensor& tensor : state_tensors) tensor.of(stored) = read_tensor(h5, tensor.name);
    read_text_tensors(h5, stored);
    stored.state.solver.order = static_cast<int>(read_number(h5, "order"));
    stored.state.step = read_number(h5, "step");
    check_content(h5, stored);
    for (const StateTensor& tensor : state_tensors)
      if (tensor.of(stored).defined()) tensor.of(stored) = tensor.of(stored).to(device);
    return stored;
  });
}

std::optional<std::int64_t> stored_step(const Path& file, const std::string& fingerprint) {
  return read_stored(file, fingerprint, [](hid_t h5) { return read_number(h5, "step"); });
}

}  // namespace wf
