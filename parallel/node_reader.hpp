// parallel/node_reader.hpp: reads a file once for all ranks of a node: each byte is read by one of them, and all get it
// through shared memory.
#pragma once

#include <mpi.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "cluster/waiting.hpp"
#include "cluster/world.hpp"

namespace wf {

struct MpiLink;

/// Reads bytes once for several ranks of a node. The bytes pass in chunks through a ring buffer in an MPI shared-memory
/// window. The ranks read chunks in turn: each has only its share of the cores that reading takes, and network file
/// systems serve several readers faster than one. For one thread per rank.
class NodeReader {
 public:
  /// Size of the ring buffer, which is all the memory that is taken. A chunk is a multiple of 8 bytes; chunks become
  /// smaller if /dev/shm has no room for twice the ring.
  struct Ring {
    std::uint64_t chunk_bytes = 8 << 20;
    std::uint64_t chunks = 16;
  };

  /// A reader for these ranks of `parent`, which are on one node. Collective over them; waits for all without a
  /// deadline. Throws Error(environment) on all of them when /dev/shm is nearly full.
  NodeReader(MPI_Comm parent, const std::vector<int>& members, const Waiting& waiting, const Ring& ring);
  NodeReader(MPI_Comm parent, const std::vector<int>& members, const Waiting& waiting = {})
      : NodeReader(parent, members, waiting, Ring()) {}
  /// A reader for some ranks of a world, which outlives it. After a failure the world skips MPI_Finalize.
  NodeReader(World& world, const std::vector<int>& members, const Waiting& waiting = {});
  /// Collective. Waits for the other ranks, unless one has failed: the window is then kept until the process ends.
  ~NodeReader();

  /// Fills `into` with the bytes from offset `begin` on.
  using Read = std::function<void(std::uint64_t begin, std::span<std::byte> into)>;
  /// Consumes the bytes from offset `begin` on; they are overwritten after it returns.
  using Use = std::function<void(std::uint64_t begin, std::span<const std::byte> bytes)>;

  /// Reads `bytes` bytes. Collective: all ranks ask for the same data in the same order; `what` names the data, and
  /// appears in errors. `use` is called on every rank for all chunks in order, `read` for those that this rank has to
  /// read. While a rank uses a chunk, others read the next ones.
  ///
  /// An exception of read or use propagates unchanged on its rank, and makes every other rank throw an Error of the
  /// same kind that names the rank and repeats its text. Throws Error(resource) when a rank does not call in time (the
  /// deadline or abort flag of Waiting), or asks for something else. After an error nothing can be shared any more.
  void share(const std::string& what, std::uint64_t bytes, const Read& read, const Use& use);

  /// Whether `own` is true on every rank. Collective, with the errors of share(); `what` names the question.
  bool all(const std::string& what, bool own);

  /// Runs an action that calls share(): an exception that it throws reaches the other ranks as if share() had thrown
  /// it.
  void together(const std::function<void()>& action);

 private:
  class Window;
  struct Request;

  bool is_free(std::uint64_t chunk) const;
  bool has_room(int member, std::uint64_t chunk) const;
  void fill(std::uint64_t chunk, const Request& request, const Read& read);
  void take(std::uint64_t chunk, const Request& request, const Use& use);
  void wait_for(const std::string& what, const std::function<bool(int member)>& ready);
  void check_others();
  void publish(const Error& error);
  int name(int member) const;

  std::unique_ptr<MpiLink> link_;  ///< outlives the window
  std::unique_ptr<Window> window_;
  std::uint64_t next_ = 0;  ///< number of the next chunk, counted over all calls of share()
};

}  // namespace wf
