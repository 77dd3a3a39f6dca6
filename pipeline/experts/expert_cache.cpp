#include "pipeline/experts/expert_cache.hpp"

#include <ATen/ATen.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/stopwatch.h>
#include <torch/version.h>

#include <algorithm>
#include <chrono>
#include <exception>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/sha256.hpp"
#include "base/signals.hpp"
#include "base/text.hpp"
#include "base/trace.hpp"
#include "parallel/device.hpp"
#include "parallel/host_copy.hpp"
#include "parallel/node_reader.hpp"
#include "pipeline/experts/converted_expert.hpp"
#include "pipeline/weights/aten_dtype.hpp"
#include "pipeline/weights/converted_file.hpp"

namespace wf {
namespace {

/// Changes whenever load_dit() makes other weights of the same files, or puts them in another order.
constexpr int format = 1;

/// Bytes of an expert from which on it is worth a line at info that a copy is read or written: smaller ones take no
/// time.
constexpr std::uint64_t worth_a_line = 100'000'000;

/// Bytes of source files from which on the advice to keep a converted copy is worth a line.
constexpr std::uint64_t worth_advice = 10'000'000'000;

std::size_t place_of(Expert which) { return which == Expert::high ? 0 : 1; }
const char* name_of(Expert which) { return which == Expert::high ? "high" : "low"; }

double seconds_of(const spdlog::stopwatch& watch) { return std::chrono::duration<double>(watch.elapsed()).count(); }

spdlog::level::level_enum level_for(std::uint64_t bytes) {
  return bytes < worth_a_line ? spdlog::level::debug : spdlog::level::info;
}

double rate(std::uint64_t bytes, double seconds) { return static_cast<double>(bytes) / 1e9 / std::max(seconds, 1e-9); }

bool on_all_ranks(NodeReader* together, const std::string& what, bool own) {
  return together ? together->all(what, own) : own;
}

/// The dtypes and shapes of all tensors as a hash: they tell which matrices are kept in 8 bits.
std::string plan_hash(const std::vector<PlannedTensor>& plan) {
  Sha256 hash;
  for (const PlannedTensor& tensor : plan)
    hash.update(fmt::format("{} {} {}\n", tensor.name, to_string(tensor.dtype), fmt::join(tensor.shape, ",")));
  return hash.hex();
}

/// A file that cannot be used goes, so that a whole one can take its place.
void discard(const Path& file, const std::string& why) {
  std::error_code error;
  if (std::filesystem::remove(file, error))
    spdlog::warn("weights cache: a damaged copy is removed, and the model's own files are read ({})", why);
  else if (error)
    spdlog::warn("weights cache: a damaged copy is not used, and cannot be removed: {} ({})", error.message(), why);
}

/// The file, if it is the whole one that was written for this expert; else null, and it is discarded.
std::unique_ptr<ConvertedFile> open_file(const Path& path, const ConvertedFrom& from,
                                         const std::vector<PlannedTensor>& plan, NodeReader* together) {
  std::error_code unreadable;
  if (!std::filesystem::exists(path, unreadable)) return nullptr;
  try {
    auto file = std::make_unique<ConvertedFile>(path, together);
    const bool is_it = converted_from(file->tensors().metadata()).key == from.key && has_tensors(file->tensors(), plan);
    if (is_it) return file;
    discard(path, path.string() + ": is of other weights");
  } catch (const Error& error) {
    discard(path, error.what());
  }
  return nullptr;
}

/// Whether this is the tensor that was planned, and there at all.
bool is_planned(const at::Tensor& tensor, const PlannedTensor& planned) {
  return tensor.defined() && from_aten(tensor.scalar_type()) == planned.dtype &&
         tensor.sizes() == at::IntArrayRef(planned.shape);
}

}  // namespace

bool is_worth_converting(const NetworkWeights& source, const DitWeights& like) {
  const auto is_random = [&](const std::string& name) { return source.entry(name).random.has_value(); };
  if (std::ranges::any_of(source.names(), is_random)) return false;
  const std::uint64_t before = source.files().bytes(), after = bytes_of(like);
  // Norms and time embedding are kept in f32 whatever the file has, so a copy of a bf16 file is a little larger.
  return after <= before / 4 * 3 || (!source.loras().empty() && after <= before / 10 * 11);
}

ExpertCache::ExpertCache(const ModelParts& parts, const Execution& execution, Find find)
    : parts_(parts),
      execution_(execution),
      find_(std::move(find)),
      begin_(unix_time()),
      exceptions_at_begin_(std::uncaught_exceptions()) {
  if (execution_.weights_cache.folder.empty()) return;
  prepare_host_copies(execution_.device);
  writing_.emplace("weights cache", missing_.size());
}

ExpertCache::~ExpertCache() {
  if (!writing_) return;
  if (std::uncaught_exceptions() > exceptions_at_begin_) abandon();
  if (unwritten_ > 0 && !is_stopped())
    spdlog::log(level_for(unwritten_), "{} are yet to be written for later starts; Ctrl-C does without them",
                gigabytes(unwritten_));
  try {
    writing_->finish();
  } catch (const std::exception& error) {
    spdlog::error("weights cache: {}", error.what());
  }
}

bool ExpertCache::is_stopped() const noexcept { return is_abandoned_ || stop_requested(); }

ConvertedFrom ExpertCache::origin_of(const ExpertToLoad& expert) const {
  const Expert which = expert.which;
  const ExpertFiles& files = parts_.files.expert(which);
  std::string key = fmt::format("format {}\nexpert {}\nfiles {}\nprecision {}\nexact blocks {}\ntensors {}\n", format,
                                name_of(which), expert_identity(files), to_string(execution_.precision),
                                fmt::join(parts_.exact_blocks_of(which), ","), plan_hash(planned_tensors(expert.like)));
  // The last bits of a merged matrix depend on who computes it.
  if (!files.loras.empty())
    key += fmt::format("merged on {}, LibTorch {}\n", device_name(execution_.device), TORCH_VERSION);
  const std::string kept =
      execution_.weights == WeightForm::as_computed ? "" : fmt::format(", weights {}", to_string(execution_.weights));
  const std::string merged = files.loras.empty() ? "" : fmt::format(", {}", count_text(files.loras.size(), "LoRA"));
  return {absolute(parts_.files.root).lexically_normal().string(), name_of(which),
          to_string(execution_.precision) + kept + merged, std::move(key)};
}

void ExpertCache::advise(const ExpertToLoad& expert) const {
  static std::atomic<bool> is_said = false;
  const std::uint64_t before = expert.source.files().bytes(), after = bytes_of(expert.like);
  if (before < worth_advice || !is_worth_converting(expert.source, expert.like) || is_said.exchange(true)) return;
  spdlog::info("{} an expert are read; with --weights-cache auto later starts would read {} of a converted copy",
               gigabytes(before), gigabytes(after));
}

std::optional<DitWeights> ExpertCache::load(const ExpertToLoad& expert, NodeReader* together) {
  if (!writing_) {
    advise(expert);
    return std::nullopt;
  }
  if (!is_worth_converting(expert.source, expert.like)) {
    spdlog::debug("{}: a converted copy would not load faster, so none is kept", expert.source.files().path().string());
    return std::nullopt;
  }
  const ConvertedFrom from = origin_of(expert);
  const Path file = cache_file(execution_.weights_cache.folder, from);
  std::optional<DitWeights> weights = read(file, from, expert, together);
  const std::lock_guard lock(mutex_);
  std::optional<Missing>& missing = missing_[place_of(expert.which)];
  missing.reset();
  if (!weights) missing = Missing{file, from, planned_tensors(expert.like), bytes_of(expert.like)};
  return weights;
}

std::optional<DitWeights> ExpertCache::read(const Path& file, const ConvertedFrom& from, const ExpertToLoad& expert,
                                            NodeReader* together) const {
  const ReadLock reading(file);
  const std::unique_ptr<ConvertedFile> opened = open_file(file, from, planned_tensors(expert.like), together);
  if (!on_all_ranks(together, file.string() + " is there", opened != nullptr)) return std::nullopt;
  const trace::Span span("load", file.filename().string(), {{"from", "weights cache"}});
  const spdlog::stopwatch watch;
  std::optional<DitWeights> weights = read_converted(opened->tensors(), expert.like, execution_.device, expert.settle);
  synchronize(execution_.device);
  const std::string damage = opened->damage();
  if (!damage.empty()) discard(file, damage);
  if (!on_all_ranks(together, file.string() + " is whole", damage.empty())) return std::nullopt;
  touch(file);
  const std::uint64_t bytes = bytes_of(*weights);
  const double seconds = seconds_of(watch);
  const char* const to = execution_.streamed_blocks > 0 ? "host memory" : "";
  spdlog::log(level_for(bytes),
              "{}: {} from the weights cache to {} in {:.1f} s ({:.1f} GB/s), of which {} B were read here",
              file.filename().string(), gigabytes(bytes), *to ? to : execution_.device.str(), seconds,
              rate(bytes, seconds), opened->tensors().bytes_read());
  return weights;
}

void ExpertCache::write_later(Expert which) {
  const std::lock_guard lock(mutex_);
  std::optional<Missing>& missing = missing_[place_of(which)];
  if (!missing || is_stopped()) return;
  unwritten_ += missing->bytes;
  writing_->put([this, which, wanted = std::move(*missing)] {
    write(which, wanted);
    unwritten_ -= wanted.bytes;
  });
  missing.reset();
}

bool ExpertCache::has_room(const Missing& missing) const {
  const auto& [folder, limit] = execution_.weights_cache;
  const std::uint64_t free = std::filesystem::space(folder).available;
  // Results of the run may be on the same disk.
  if (free < 2 * missing.bytes) {
    spdlog::warn("{}: has {} free; a copy of the weights, of {}, is kept where there is twice its size",
                 folder.string(), gigabytes(free), gigabytes(missing.bytes));
    return false;
  }
  if (make_room(folder, missing.bytes, limit, begin_)) return true;
  spdlog::warn(
      "{}: no copy of the weights is kept: beside what is in use, {} would be more than --weights-cache-limit {}",
      folder.string(), gigabytes(missing.bytes), gigabytes(limit));
  return false;
}

void ExpertCache::write(Expert which, const Missing& missing) {
  const std::string name = missing.file.filename().string();
  try {
    const SideStream own(execution_.device);
    const trace::Span span("write", name);
    const spdlog::stopwatch watch;
    make_folder(missing.file.parent_path());
    std::optional<CacheWriteLock> lock;
    try {
      lock.emplace(missing.file);
    } catch (const Error& error) {
      if (error.kind() != Error::environment) throw;
      return spdlog::debug("{}: another process writes it", name);
    }
    if (std::filesystem::exists(missing.file) || is_stopped() || !has_room(missing)) return;
    if (!write_tensors(which, missing)) return spdlog::info("{}: is not kept, for the run goes on without it", name);
    const double seconds = seconds_of(watch);
    spdlog::log(level_for(missing.bytes), "{}: {} were written for later starts in {:.1f} s ({:.1f} GB/s)", name,
                gigabytes(missing.bytes), seconds, rate(missing.bytes, seconds));
  } catch (const std::exception& error) {
    spdlog::warn("no copy of the weights is kept for later starts: {}", error.what());
  }
}

/// Whether the file is complete. It is not where the run stops, or the expert leaves before all of it is written.
bool ExpertCache::write_tensors(Expert which, const Missing& missing) {
  ConvertedWriter file(missing.file, missing.plan, metadata_of(missing.from));
  for (std::size_t place = 0; place < missing.plan.size(); ++place) {
    if (is_stopped()) return false;
    const at::Tensor tensor = on_host(which, place);
    if (!is_planned(tensor, missing.plan[place])) return false;
    file.write(missing.plan[place].name, tensor);
  }
  file.finish();
  return true;
}

/// One tensor of the expert in host memory; undefined when the expert has left. It is held on its device no longer than
/// its copy takes, for an expert may have to make room for the other one.
at::Tensor ExpertCache::on_host(Expert which, std::size_t place) const {
  const std::shared_ptr<const DitWeights> expert = find_(which);
  if (!expert) return {};
  const at::Tensor tensor = tensors_of(*expert).at(place);
  if (tensor.is_cpu()) return tensor.contiguous();
  const at::Tensor copy = at::empty(tensor.sizes(), tensor.options().device(at::kCPU));
  copy_to_host(tensor, copy.data_ptr());
  return copy;
}

}  // namespace wf
