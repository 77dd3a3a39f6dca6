#include "parallel/host_memory.hpp"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>
#include <random>
#include <string>
#include <thread>
#include <utility>

#include "base/error.hpp"
#include "base/text.hpp"
#include "base/watched_work.hpp"

namespace wf {
namespace {

constexpr std::uint64_t page = 4096;

std::function<int(HostMemoryStep)> injected_fault;

/// The file descriptor that `call` returns; throws Error(environment) with the text of the failure.
template <class Call>
int opened_by(HostMemoryStep step, const std::string& what, const Call& call) {
  int file = -1;
  int error = injected_fault ? injected_fault(step) : 0;
  if (error == 0 && (file = call()) < 0) error = errno;
  if (file < 0) throw Error(Error::environment, fmt::format("{}: {}", what, std::strerror(error)));
  return file;
}

/// A file without a name. Newer kernels want to be told that nobody will execute it, older ones do not know how.
int unnamed_file() {
  constexpr unsigned no_exec_seal = 0x8;  // MFD_NOEXEC_SEAL, since Linux 6.3
  const int file = ::memfd_create("wanfarm-expert", MFD_CLOEXEC | no_exec_seal);
  return file < 0 && errno == EINVAL ? ::memfd_create("wanfarm-expert", MFD_CLOEXEC) : file;
}

std::uint64_t random_number() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

std::uint64_t file_bytes(int file) {
  struct stat status {};
  return ::fstat(file, &status) == 0 && S_ISREG(status.st_mode) ? static_cast<std::uint64_t>(status.st_size) : 0;
}

}  // namespace

/// What the processes know of the block. New memory is zero, so before anything is written `written` is false.
struct HostMemory::Head {
  std::atomic<bool> written;
  std::atomic<std::uint64_t> moves;  ///< calls of mark_writing()
  std::uint64_t key;
  std::array<std::uint64_t, 2> token;
};

HostMemory::HostMemory(int file, std::uint64_t bytes) : file_(file), bytes_(bytes) {
  static_assert(sizeof(Head) <= page && std::atomic<bool>::is_always_lock_free &&
                std::atomic<std::uint64_t>::is_always_lock_free);  // others do not work between processes
  map(file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED);
}

HostMemory::HostMemory(std::uint64_t bytes) : HostMemory(-1, bytes) {}

void HostMemory::map(int flags) {
  void* const memory = ::mmap(nullptr, page + bytes_, PROT_READ | PROT_WRITE, flags, file_.get(), 0);
  if (memory == MAP_FAILED)
    throw Error(Error::resource,
                fmt::format("no room for {} of host memory: {}", gigabytes(bytes_), std::strerror(errno)));
  // Memory is found faster in pages of 2 MiB. Most systems give them to memory that is not shared alone.
  (void)::madvise(memory, page + bytes_, MADV_HUGEPAGE);
  head_ = static_cast<Head*>(memory);
}

HostMemory::~HostMemory() {
  if (head_) ::munmap(head_, page + bytes_);
}

std::shared_ptr<HostMemory> HostMemory::shared(std::uint64_t bytes, std::uint64_t key) {
  Descriptor file(opened_by(HostMemoryStep::create, "memfd_create", unnamed_file));
  if (::ftruncate(file.get(), static_cast<off_t>(page + bytes)) != 0)
    throw Error(Error::environment, fmt::format("no file of {} in memory: {}", gigabytes(bytes), std::strerror(errno)));
  std::shared_ptr<HostMemory> memory(new HostMemory(file.release(), bytes));
  memory->head_->key = key;
  memory->head_->token = {random_number(), random_number()};
  return memory;
}

/// The file at the address may be any file of any process, until its token shows that it is the right one.
std::shared_ptr<HostMemory> HostMemory::open(const HostMemoryAddress& address, std::uint64_t bytes, std::uint64_t key) {
  const std::string path = fmt::format("/proc/{}/fd/{}", address.process, address.descriptor);
  Descriptor file(opened_by(HostMemoryStep::open, path,
                            [&] { return ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); }));
  if (file_bytes(file.get()) != page + bytes)
    throw Error(Error::environment, path + ": is not the memory that was to be shared");
  const std::shared_ptr<HostMemory> memory(new HostMemory(file.release(), bytes));
  if (memory->head_->token != address.token || memory->head_->key != key)
    throw Error(Error::environment, path + ": is not the memory that was to be shared");
  return memory;
}

std::byte* HostMemory::data() const noexcept { return reinterpret_cast<std::byte*>(head_) + page; }

HostMemoryAddress HostMemory::address() const { return {::getpid(), file_.get(), head_->token}; }

bool HostMemory::is_written() const noexcept { return head_->written.load(std::memory_order_acquire); }

void HostMemory::mark_writing() noexcept { head_->moves.fetch_add(1, std::memory_order_relaxed); }

/// Takes the lock if no other process has it. The lock belongs to the open file, so its end is that of the process.
bool HostMemory::lock() const {
  if (!is_shared() || ::flock(file_.get(), LOCK_EX | LOCK_NB) == 0) return true;
  if (errno == EWOULDBLOCK || errno == EINTR) return false;
  throw Error(Error::environment, fmt::format("memory that is shared cannot be locked: {}", std::strerror(errno)));
}

std::unique_ptr<HostMemory::Turn> HostMemory::turn_if_free() {
  if (is_written() || !lock()) return nullptr;
  auto turn = std::make_unique<Turn>(*this);
  return is_written() ? nullptr : std::move(turn);  // another process may have finished before this one had the lock
}

std::unique_ptr<HostMemory::Turn> HostMemory::wait_for_turn(const std::stop_token& stop) {
  for (std::uint64_t seen = head_->moves;;) {
    std::unique_ptr<Turn> turn = turn_if_free();
    if (turn || is_written() || stop.stop_requested()) return turn;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (const std::uint64_t moves = head_->moves; std::exchange(seen, moves) != moves) mark_progress();
  }
}

HostMemory::Turn::~Turn() {
  if (memory_.is_shared()) ::flock(memory_.file_.get(), LOCK_UN);
}

void HostMemory::Turn::finish() { memory_.head_->written.store(true, std::memory_order_release); }

void inject_host_memory_faults(std::function<int(HostMemoryStep)> fault) { injected_fault = std::move(fault); }

}  // namespace wf
