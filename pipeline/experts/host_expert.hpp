// pipeline/experts/host_expert.hpp: the copy of an expert in host memory, from which it enters the GPU.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include "parallel/host_memory.hpp"
#include "parallel/pinning.hpp"
#include "pipeline/model/dit.hpp"

namespace wf {

/// Where each tensor of an expert lies in one block of memory: in the order of for_each_tensor(), each within one of
/// the pieces that are pinned by one call, for a copy must not reach from one such piece into another.
struct HostLayout {
  explicit HostLayout(const DitWeights& like);  ///< reads shapes and dtypes alone: the device meta will do

  std::uint64_t bytes = 0;
  std::vector<std::int64_t> offsets;  ///< of the tensors
  struct Piece {
    std::int64_t begin = 0, end = 0;  ///< of whole pages
  };
  std::vector<Piece> pieces;
  std::uint64_t key = 0;  ///< the same for experts of the same shapes and dtypes, on all ranks
};

/// The weights lie in a HostMemory that other ranks of the node may share. Then one rank writes them, the others find
/// them there; each pins the memory for its own GPU. For the thread that computes.
class HostExpert {
 public:
  /// Whether memory is pinned: for a copy that is read again and again; or not, for one that is read once.
  enum class Pages { pinned, plain };

  /// like: an expert of the shapes and dtypes of the copy, on any device. memory: of HostLayout(like).bytes bytes. It
  /// is pinned for `device` from now on, on another thread, once that of `after` is; null: at once.
  HostExpert(DitWeights like, std::shared_ptr<HostMemory> memory, at::Device device, Pages pages = Pages::pinned,
             const HostExpert* after = nullptr);
  /// In memory of this process alone.
  HostExpert(const DitWeights& like, at::Device device)
      : HostExpert(like, std::make_shared<HostMemory>(HostLayout(like).bytes), device) {}

  /// Whether the copy is complete.
  bool is_written() const noexcept { return memory_->is_written(); }
  /// The copy, once its memory is pinned. Its tensors keep the memory.
  const DitWeights& weights();
  /// The complete copy, pinned or not, for the eyes of the processor. Any thread may call this.
  const DitWeights& written() const noexcept { return weights_; }

  /// Makes the copy of an expert on the device, unless another rank has, or does: then this waits for it. Returns when
  /// it is complete, with whether this rank has written it. Throws what copying throws; another rank writes then.
  bool write(const DitWeights& from);

  /// Loads an expert, handing each block to what it is given.
  using Load = std::function<DitWeights(const SettleBlock&)>;
  /// The same with an expert that is loaded for it, block by block, so that it is never on the device as a whole.
  /// `load` is not called on the other ranks. Returns, too, once `stop` is requested and another rank still writes.
  void write_loaded(const Load& load, const std::stop_token& stop = {});
  /// `load` is called on all ranks that share the memory, which read the files together; one of them keeps what it
  /// gives. To be followed by write_loaded(), which writes if that rank has failed.
  void write_loaded_together(const Load& load);

  /// An expert on the device: one rank loads it there as a whole and leaves the copy for the others, which take theirs
  /// from it. Nothing once `stop` is requested and another rank still writes.
  std::optional<DitWeights> load_for_all(const Load& load, const std::stop_token& stop = {});

 private:
  DitWeights uploaded() const;
  void load_and_keep(const Load& load, HostMemory::Turn& turn);
  void keep(const at::Tensor& from, const at::Tensor& place);
  SettleBlock settling(bool keeps);

  DitWeights weights_;
  std::shared_ptr<HostMemory> memory_;
  at::Device device_;
  std::shared_ptr<Pinning> pinning_;
};

}  // namespace wf
