// parallel/node_reader.hpp: ranks of one machine that all want the same bytes: each byte is read once, by one of them,
// and all get it through memory that they share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cluster/error.hpp"
#include "parallel/mpi_communicator.hpp"

namespace wf {

struct MpiLink;

/// Bytes pass in pieces through a ring in an MPI shared-memory window. Its ranks read pieces in turn: each has only
/// its share of the cores that reading takes, and disks over a network serve several readers better than one.
class NodeReader {
 public:
  /// The ring, and so all memory that is taken, whatever is read. A piece is a multiple of 8 bytes; it becomes smaller
  /// where /dev/shm has no room for twice the ring.
  struct Ring {
    std::uint64_t piece_bytes = 8 << 20;
    std::uint64_t pieces = 16;
  };

  /// Of these ranks of `parent`, which are on one machine. Collective over them; waits for all without a deadline.
  /// Throws environment on all when /dev/shm is nearly full.
  NodeReader(MPI_Comm parent, const std::vector<int>& members, const MpiWaiting& waiting, const Ring& ring);
  NodeReader(MPI_Comm parent, const std::vector<int>& members, const MpiWaiting& waiting = {})
      : NodeReader(parent, members, waiting, Ring()) {}
  /// Collective. Waits for the others, but not once one has failed: the window is then left to the process's end.
  ~NodeReader();

  /// Fills `into` with the bytes from `begin` on.
  using Read = std::function<void(std::uint64_t begin, std::span<std::byte> into)>;
  /// Takes those bytes; they change after it returns.
  using Use = std::function<void(std::uint64_t begin, std::span<const std::byte> bytes)>;

  /// Collective: all ask for the same things in the same order; `what` is to name this one, and stands in errors. `use`
  /// is called for all pieces in order, on every rank, `read` for those that this rank is to read. While a rank uses a
  /// piece, others read the next ones.
  ///
  /// An exception of read or use leaves as it is on its rank, and makes all others throw an Error of its kind that
  /// names the rank and has its words. Error(resource): a rank does not come (the deadline, or abort, as in
  /// MpiWaiting), or asks for something else. After an error nothing can be shared any more.
  void share(const std::string& what, std::uint64_t bytes, const Read& read, const Use& use);

  /// Runs an action of which share() is a part: an exception that it throws is told to the others, as if share() had
  /// thrown it.
  void together(const std::function<void()>& action);

 private:
  class Window;
  struct Request;

  bool is_free(std::uint64_t piece) const;
  bool has_room(int member, std::uint64_t piece) const;
  void fill(std::uint64_t piece, const Request& request, const Read& read);
  void take(std::uint64_t piece, const Request& request, const Use& use);
  void wait_for(const std::string& what, const std::function<bool(int member)>& ready);
  void check_others();
  void tell(const Error& error);
  int name(int member) const;

  std::unique_ptr<MpiLink> link_;  ///< outlives the window
  std::unique_ptr<Window> window_;
  std::uint64_t next_ = 0;  ///< the number of the next piece: all that were ever shared are counted on
};

}  // namespace wf
