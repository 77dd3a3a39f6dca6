// pipeline/model/block_stream.hpp: blocks of an expert that wait in host memory and travel to the device ahead of the
// forward that computes with them, so that an expert need not fit there as a whole.
#pragma once

#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "pipeline/model/dit.hpp"

namespace wf {

/// Calls `visit` for every tensor of a block that a forward needs, which are all but those that make keys and values of
/// the text: these are used once per clip.
void for_each_streamed_tensor(DitBlock& block, const std::function<void(at::Tensor&)>& visit);

/// Two places on a device, filled in turns: while a forward computes with the block in one of them, the next block that
/// waits is copied into the other. After the last block the first one is next, for the following forward.
///
/// Copies run on a stream of their own, which waits for the work that still reads a place. On a CPU they are done when
/// they are asked for. One thread, the one that computes, owns the object.
class BlockStream {
 public:
  /// waiting: for each block of the expert whether it waits in host memory, which is pinned where the device is a GPU.
  /// blocks: all blocks of the expert. Their tensors must not change.
  BlockStream(at::Device device, std::vector<DitBlock> blocks, std::vector<bool> waiting);
  ~BlockStream();  ///< waits for copies that were begun
  BlockStream(const BlockStream&) = delete;
  BlockStream& operator=(const BlockStream&) = delete;

  bool waits(std::size_t number) const { return waiting_[number]; }

  /// A waiting block with its tensors on the device, and otherwise like `form`. They are right for work that is queued
  /// on the current stream until the next call.
  DitBlock arrive(std::size_t number, const DitBlock& form);

  /// Bytes that were copied so far.
  std::uint64_t bytes_copied() const { return bytes_copied_; }

 private:
  /// Room for one block.
  struct Place {
    at::Tensor memory;                       ///< [bytes] kByte, on the device
    std::optional<std::size_t> number = {};  ///< the block that it has, or will have
    std::optional<c10::Event> filled,
        unread;  ///< the block is there; nothing that reads the last one is queued any more
  };
  Place& place_of(std::size_t number);
  void fill(Place& place, std::size_t number);
  std::size_t next_waiting(std::size_t number) const;
  c10::Stream current_stream() const;

  at::Device device_;
  std::vector<DitBlock> blocks_;
  std::vector<bool> waiting_;
  std::array<Place, 2> places_;
  Place* in_use_ = nullptr;            ///< the place of the last block that arrived
  std::optional<c10::Stream> copies_;  ///< empty for a CPU
  std::uint64_t bytes_copied_ = 0;
};

/// Whether block `number` of `blocks` is one of `waiting` blocks that are spread evenly, so that each copy has the time
/// of as many blocks as possible.
bool is_spread(std::size_t number, std::size_t waiting, std::size_t blocks);

}  // namespace wf
