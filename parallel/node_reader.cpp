#include "parallel/node_reader.hpp"

#include <mpi.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <new>

#include "cluster/mpi_check.hpp"
#include "cluster/mpi_link.hpp"
#include "cluster/waiting.hpp"

namespace wf {
namespace {

constexpr std::size_t cache_line = 64;

/// The progress of a rank, in shared memory.
struct alignas(cache_line) Member {
  std::atomic<std::uint64_t> used = 0;  ///< the rank has used all chunks before this one
  std::atomic<int> failure = 0;         ///< 1 + Error::Kind; set after `message` is complete
  std::atomic<bool> leaves = false;
  std::array<char, 1000> message{};  ///< text of the failure, zero-terminated
};

/// The chunk in one place of the ring.
struct alignas(cache_line) Slot {
  std::atomic<std::uint64_t> filled = 0;  ///< 1 + the chunk's number; set after its bytes and `key` are complete
  std::uint64_t key = 0;                  ///< identifies the request that the chunk belongs to
};

// Only lock-free atomics work between processes.
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<int>::is_always_lock_free &&
              std::atomic<bool>::is_always_lock_free);

/// The size of a chunk, the same on all ranks. MPI puts windows into /dev/shm, which is small in containers; if the
/// first rank finds no room there, Open MPI leaves the others waiting for ever.
std::uint64_t agree_on_chunk_bytes(const MpiLink& link, const NodeReader::Ring& ring) {
  constexpr std::uint64_t page = 4096, least = 16 * page;
  std::uint64_t bytes = ring.chunk_bytes;
  if (link.rank == 0) {
    std::error_code no_such_folder;  // `available` is the largest number then
    const std::uint64_t room = std::filesystem::space("/dev/shm", no_such_folder).available;
    const std::uint64_t most = room / (2 * ring.chunks) / page * page;
    if (most < bytes) bytes = most < least ? 0 : most;
  }
  WF_MPI(MPI_Bcast(&bytes, 1, MPI_UINT64_T, 0, link.comm));
  if (bytes == 0)
    throw Error(
        Error::environment,
        "/dev/shm is too full for ranks to share what they read; give it 100 MB or more (for containers: docker "
        "run --shm-size=1g)");
  return bytes;
}

}  // namespace

/// Shared memory that the first rank allocates and all ranks map: members, slots, and the ring's chunks. On one node,
/// atomics are enough to order its accesses, so MPI is not needed after the construction.
class NodeReader::Window {
 public:
  Window(const MpiLink& link, const Ring& ring)
      : link_(link), chunks_(ring.chunks), chunk_bytes_(agree_on_chunk_bytes(link, ring)) {
    const std::uint64_t head = static_cast<std::uint64_t>(link.size) * sizeof(Member) + chunks_ * sizeof(Slot);
    const std::uint64_t bytes = link.rank == 0 ? cache_line + head + chunks_ * chunk_bytes_ : 0;
    void* base = nullptr;
    WF_MPI(MPI_Win_allocate_shared(static_cast<MPI_Aint>(bytes), 1, MPI_INFO_NULL, link.comm, &base, &handle_));
    MPI_Aint size = 0;
    int unit = 0;
    WF_MPI(MPI_Win_shared_query(handle_, 0, &size, &unit, &base));
    base = reinterpret_cast<void*>((reinterpret_cast<std::uintptr_t>(base) + cache_line - 1) / cache_line * cache_line);
    members_ = static_cast<Member*>(base);
    slots_ = reinterpret_cast<Slot*>(members_ + link.size);
    data_ = reinterpret_cast<std::byte*>(slots_ + chunks_);
    if (link.rank == 0) {
      for (int i = 0; i < link.size; ++i) new (members_ + i) Member;
      for (std::uint64_t i = 0; i < chunks_; ++i) new (slots_ + i) Slot;
    }
    WF_MPI(MPI_Barrier(link.comm));
  }
  ~Window() {
    if (link_.broken) return;  // MPI_Win_free would wait for all ranks
    if (const int code = MPI_Win_free(&handle_); code != MPI_SUCCESS)
      spdlog::error("MPI_Win_free: {}", mpi_error_text(code));
  }
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;

  std::uint64_t chunks() const { return chunks_; }
  std::uint64_t chunk_bytes() const { return chunk_bytes_; }
  Member& member(int rank) const { return members_[rank]; }
  Slot& slot(std::uint64_t chunk) const { return slots_[chunk % chunks_]; }
  std::span<std::byte> data(std::uint64_t chunk) const {
    return {data_ + chunk % chunks_ * chunk_bytes_, chunk_bytes_};
  }

 private:
  const MpiLink& link_;
  std::uint64_t chunks_, chunk_bytes_;
  MPI_Win handle_ = MPI_WIN_NULL;
  Member* members_ = nullptr;
  Slot* slots_ = nullptr;
  std::byte* data_ = nullptr;
};

/// One call of share(). Its first chunk has the number `first`.
struct NodeReader::Request {
  const std::string& what;
  std::uint64_t bytes, first, chunk_bytes;

  std::uint64_t end() const { return first + (bytes + chunk_bytes - 1) / chunk_bytes; }
  std::uint64_t begin_of(std::uint64_t chunk) const { return (chunk - first) * chunk_bytes; }
  std::uint64_t size_of(std::uint64_t chunk) const { return std::min(chunk_bytes, bytes - begin_of(chunk)); }
  std::uint64_t key() const {
    return std::hash<std::string>()(what) ^ bytes;
  }  // std::hash is the same on all ranks: they run one program
};

NodeReader::NodeReader(MPI_Comm parent, const std::vector<int>& members, const Waiting& waiting, const Ring& ring)
    : link_(std::make_unique<MpiLink>(parent, members, waiting)), window_(std::make_unique<Window>(*link_, ring)) {}

NodeReader::NodeReader(World& world, const std::vector<int>& members, const Waiting& waiting)
    : NodeReader(MPI_COMM_WORLD, members, world.watched(waiting)) {}

NodeReader::~NodeReader() {
  if (link_->broken) return;
  window_->member(link_->rank).leaves = true;
  const auto leaves = [&](int member) { return window_->member(member).leaves && !window_->member(member).failure; };
  try {
    together([&] { wait_for("the end of reading together", leaves); });
  } catch (const std::exception& error) {
    spdlog::error("{}", error.what());
  }
}

void NodeReader::share(const std::string& what, std::uint64_t bytes, const Read& read, const Use& use) {
  together([&] {
    if (link_->broken) throw Error(Error::resource, what + ": cannot be shared: these ranks have failed before");
    const Request request{what, bytes, next_, window_->chunk_bytes()};
    next_ = request.end();
    const auto ranks = static_cast<std::uint64_t>(link_->size), rank = static_cast<std::uint64_t>(link_->rank);
    std::uint64_t own =
        request.first + (rank + ranks - request.first % ranks) % ranks;  // the next chunk that this rank reads
    for (std::uint64_t chunk = request.first; chunk < request.end(); ++chunk) {
      if (own < request.end() && (own == chunk || is_free(own))) {
        fill(own, request, read);
        own += ranks;
      }
      take(chunk, request, use);
    }
  });
}

/// Each rank reads one of as many chunks as there are ranks, and fills it with its answer.
bool NodeReader::all(const std::string& what, bool own) {
  bool all = true;
  share(
      what, static_cast<std::uint64_t>(link_->size) * window_->chunk_bytes(),
      [&](std::uint64_t, std::span<std::byte> into) { into.front() = std::byte{own}; },
      [&](std::uint64_t, std::span<const std::byte> bytes) { all &= bytes.front() == std::byte{1}; });
  return all;
}

/// Whether the chunk's place in the ring is free: all ranks have used the chunk that was there.
bool NodeReader::is_free(std::uint64_t chunk) const {
  for (int member = 0; member < link_->size; ++member)
    if (!has_room(member, chunk)) return false;
  return true;
}

bool NodeReader::has_room(int member, std::uint64_t chunk) const {
  return window_->member(member).used.load(std::memory_order_acquire) + window_->chunks() > chunk;
}

void NodeReader::fill(std::uint64_t chunk, const Request& request, const Read& read) {
  wait_for(request.what, [&](int member) { return has_room(member, chunk); });
  read(request.begin_of(chunk), window_->data(chunk).first(request.size_of(chunk)));
  Slot& slot = window_->slot(chunk);
  slot.key = request.key();
  slot.filled.store(chunk + 1, std::memory_order_release);
}

void NodeReader::take(std::uint64_t chunk, const Request& request, const Use& use) {
  const int reader = static_cast<int>(chunk % static_cast<std::uint64_t>(link_->size));
  const Slot& slot = window_->slot(chunk);
  wait_for(request.what,
           [&](int member) { return member != reader || slot.filled.load(std::memory_order_acquire) == chunk + 1; });
  if (slot.key != request.key())
    throw Error(Error::resource, fmt::format("rank {} reads {} ({} bytes), but rank {} something else; the ranks of a "
                                             "node must see the same checkpoint and load it in the same order",
                                             name(link_->rank), request.what, request.bytes, name(reader)));
  use(request.begin_of(chunk), window_->data(chunk).first(request.size_of(chunk)));
  window_->member(link_->rank).used.store(chunk + 1, std::memory_order_release);
}

void NodeReader::wait_for(const std::string& what, const std::function<bool(int member)>& ready) {
  const auto missing = [&] {
    std::set<int> ranks;
    for (int member = 0; member < link_->size; ++member)
      if (!ready(member)) ranks.insert(name(member));
    return ranks;
  };
  const auto done = [&] {
    if (missing().empty()) return true;
    check_others();
    return false;
  };
  if (const auto why = wait_until(link_->waiting, done, missing))
    throw Error(Error::resource, fmt::format("{}: rank {} {}", what, name(link_->rank), *why));
}

void NodeReader::check_others() {
  for (int rank = 0; rank < link_->size; ++rank) {
    const Member& member = window_->member(rank);
    const int failure = member.failure.load(std::memory_order_acquire);
    if (failure == 0) continue;
    link_->give_up();  // without publishing a failure of its own: all ranks report the first one
    throw Error(static_cast<Error::Kind>(failure - 1), fmt::format("rank {}: {}", name(rank), member.message.data()));
  }
}

void NodeReader::together(const std::function<void()>& action) {
  try {
    action();
  } catch (const std::exception&) {
    if (!link_->broken) publish(current_error());
    throw;
  }
}

/// Makes an error of this rank known to the others.
void NodeReader::publish(const Error& error) {
  Member& own = window_->member(link_->rank);
  const std::string text = std::string(error.what()).substr(0, own.message.size() - 1);
  std::copy(text.begin(), text.end(), own.message.begin());  // the array ends with at least one zero
  own.failure.store(1 + error.kind(), std::memory_order_release);
  link_->give_up();
}

int NodeReader::name(int member) const { return link_->world_ranks[static_cast<std::size_t>(member)]; }

}  // namespace wf
