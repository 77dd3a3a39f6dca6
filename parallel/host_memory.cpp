#include "parallel/host_memory.hpp"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
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
constexpr std::size_t most_parts = 128;  // each takes a file descriptor, of which processes often have 1024

/// What the first part of a block begins with: by what others know it, and where the other parts are.
struct Identity {
  std::uint64_t bytes, key;
  std::array<std::uint64_t, 2> token;
  std::array<std::int64_t, most_parts> descriptors;  ///< of the parts, in the process that made them
};

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

/// The size of the parts of a block where so much is wanted.
std::uint64_t part_bytes_of(std::uint64_t bytes, std::uint64_t wanted) {
  const std::uint64_t least = (page + bytes + most_parts - 1) / most_parts;
  return std::max(wanted, (least + page - 1) / page * page);
}

[[noreturn]] void no_room(std::uint64_t bytes) {
  throw Error(Error::resource,
              fmt::format("no room for {} of host memory: {}", gigabytes(bytes), std::strerror(errno)));
}

/// Addresses for so many bytes: of memory of this process alone, or to be replaced by files.
std::byte* mapped(std::uint64_t bytes, int protection) {
  void* const memory = ::mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) no_room(bytes);
  return static_cast<std::byte*>(memory);
}

std::uint64_t file_bytes(int file) {
  struct stat status {};
  return ::fstat(file, &status) == 0 && S_ISREG(status.st_mode) ? static_cast<std::uint64_t>(status.st_size) : 0;
}

std::string path_of(std::int64_t process, std::int64_t descriptor) {
  return fmt::format("/proc/{}/fd/{}", process, descriptor);
}

Descriptor part_of(std::int64_t process, std::int64_t descriptor) {
  const std::string path = path_of(process, descriptor);
  return Descriptor(opened_by(HostMemoryStep::open, path,
                              [&] { return ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); }));
}

[[noreturn]] void not_the_memory(const HostMemoryAddress& address) {
  throw Error(Error::environment,
              path_of(address.process, address.descriptor) + ": is not the memory that was to be shared");
}

}  // namespace

/// What the processes know of the block. New memory is zero, so before anything is written `written` is false.
struct HostMemory::Head {
  Identity identity;
  std::atomic<bool> written;
  std::atomic<std::uint64_t> moves;  ///< calls of mark_writing()
  std::atomic<std::size_t> taken;    ///< calls of take_part()
  std::array<std::atomic<bool>, most_parts> populated;
};

HostMemory::HostMemory(std::vector<Descriptor> files, std::uint64_t bytes, std::uint64_t part_bytes)
    : files_(std::move(files)), bytes_(bytes), part_bytes_(part_bytes) {
  static_assert(sizeof(Head) <= page && std::atomic<bool>::is_always_lock_free &&
                std::atomic<std::uint64_t>::is_always_lock_free);  // others do not work between processes
  std::byte* const memory = mapped(mapped_bytes(), is_shared() ? PROT_NONE : PROT_READ | PROT_WRITE);
  head_ = reinterpret_cast<Head*>(memory);
  for (std::size_t i = 0; i < files_.size(); ++i) {
    const std::span<std::byte> here = part(i);
    if (::mmap(here.data(), here.size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, files_[i].get(), 0) ==
        MAP_FAILED) {
      ::munmap(memory, mapped_bytes());
      no_room(bytes);
    }
  }
  // Memory is found faster in pages of 2 MiB. Most systems give them to memory that is not shared alone.
  (void)::madvise(memory, mapped_bytes(), MADV_HUGEPAGE);
}

HostMemory::HostMemory(std::uint64_t bytes) : HostMemory({}, bytes, part_bytes_of(bytes, usual_part_bytes)) {}

HostMemory::~HostMemory() { ::munmap(head_, mapped_bytes()); }

std::shared_ptr<HostMemory> HostMemory::shared(std::uint64_t bytes, std::uint64_t key, std::uint64_t part_bytes) {
  part_bytes = part_bytes_of(bytes, part_bytes);
  std::vector<Descriptor> files;
  for (std::uint64_t begin = 0; begin < page + bytes; begin += part_bytes) {
    files.emplace_back(opened_by(HostMemoryStep::create, "memfd_create", unnamed_file));
    if (::ftruncate(files.back().get(), static_cast<off_t>(std::min(part_bytes, page + bytes - begin))) != 0)
      throw Error(Error::environment,
                  fmt::format("no file of {} in memory: {}", gigabytes(part_bytes), std::strerror(errno)));
  }
  std::shared_ptr<HostMemory> memory(new HostMemory(std::move(files), bytes, part_bytes));
  Identity& identity = memory->head_->identity;
  identity = {.bytes = bytes, .key = key, .token = {random_number(), random_number()}, .descriptors = {}};
  std::ranges::transform(memory->files_, identity.descriptors.begin(), &Descriptor::get);
  return memory;
}

/// The files at the address may be any files of any process, until the token shows that the first is the right one.
std::shared_ptr<HostMemory> HostMemory::open(const HostMemoryAddress& address, std::uint64_t bytes, std::uint64_t key) {
  const std::uint64_t all = page + bytes;
  std::vector<Descriptor> files;
  files.push_back(part_of(address.process, address.descriptor));
  const std::uint64_t part_bytes = file_bytes(files.front().get());
  Identity identity;
  if (part_bytes < page || part_bytes > all || (part_bytes < all && part_bytes % page != 0) ||
      ::pread(files.front().get(), &identity, sizeof identity, 0) != sizeof identity ||
      identity.token != address.token || identity.bytes != bytes || identity.key != key)
    not_the_memory(address);
  for (std::uint64_t begin = part_bytes; begin < all; begin += part_bytes) {
    files.push_back(part_of(address.process, identity.descriptors.at(files.size())));
    if (file_bytes(files.back().get()) != std::min(part_bytes, all - begin)) not_the_memory(address);
  }
  std::shared_ptr<HostMemory> memory(new HostMemory(std::move(files), bytes, part_bytes));
  while (memory->files_.size() > 1) memory->files_.pop_back();
  return memory;
}

std::byte* HostMemory::data() const noexcept { return reinterpret_cast<std::byte*>(head_) + page; }

HostMemoryAddress HostMemory::address() const { return {::getpid(), files_.front().get(), head_->identity.token}; }

std::uint64_t HostMemory::mapped_bytes() const noexcept { return page + bytes_; }

std::span<std::byte> HostMemory::part(std::size_t number) const noexcept {
  const std::uint64_t begin = number * part_bytes_;
  return {reinterpret_cast<std::byte*>(head_) + begin, std::min(part_bytes_, mapped_bytes() - begin)};
}

std::optional<std::size_t> HostMemory::take_part() noexcept {
  const std::size_t taken = head_->taken.fetch_add(1, std::memory_order_relaxed);
  return taken < parts() ? std::optional(taken) : std::nullopt;
}

void HostMemory::mark_populated(std::size_t part) noexcept { head_->populated[part] = true; }

bool HostMemory::is_populated(std::size_t part) const noexcept { return head_->populated[part]; }

std::size_t HostMemory::populated_parts() const noexcept {
  return static_cast<std::size_t>(
      std::ranges::count_if(head_->populated, [](const std::atomic<bool>& populated) { return populated.load(); }));
}

bool HostMemory::is_written() const noexcept { return head_->written.load(std::memory_order_acquire); }

void HostMemory::mark_writing() noexcept { head_->moves.fetch_add(1, std::memory_order_relaxed); }

/// Takes the lock if no other process has it. The lock belongs to the open file, so its end is that of the process.
bool HostMemory::lock() const {
  if (!is_shared() || ::flock(files_.front().get(), LOCK_EX | LOCK_NB) == 0) return true;
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
  if (memory_.is_shared()) ::flock(memory_.files_.front().get(), LOCK_UN);
}

void HostMemory::Turn::finish() { memory_.head_->written.store(true, std::memory_order_release); }

void inject_host_memory_faults(std::function<int(HostMemoryStep)> fault) { injected_fault = std::move(fault); }

}  // namespace wf
