#include "parallel/peer_memory.hpp"

#include <ATen/ATen.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <string_view>

#include "base/error.hpp"
#include "parallel/device.hpp"

namespace wf {
namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

template <class Call>
Call driver_function(const char* name) {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found{};
  const cudaError_t code = cudaGetDriverEntryPointByVersion(name, &function, CUDART_VERSION, cudaEnableDefault, &found);
  if (code != cudaSuccess || found != cudaDriverEntryPointSuccess)
    throw Error(Error::environment, std::string("the CUDA driver has no ") + name);
  return reinterpret_cast<Call>(function);
}

void check(CUresult code, const char* what) {
  if (code != CUDA_SUCCESS)
    throw Error(Error::resource, fmt::format("{}: CUDA driver error {}", what, static_cast<int>(code)));
}

/// Without the C++ backtrace that LibTorch appends.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

void throw_first(Error::Kind kind, const std::vector<std::string>& problems) {
  if (const std::string first = first_problem(problems); !first.empty()) throw Error(kind, first);
}

CUdeviceptr address(const std::byte* flag) { return reinterpret_cast<CUdeviceptr>(flag); }

}  // namespace

bool peer_copies_allowed() {
  const char* const asked = std::getenv("WANFARM_PEER_COPIES");
  return !asked || std::string_view(asked) != "0";
}

std::vector<std::string> all_gather_texts(Communicator& ranks, const std::string& own) {
  const auto all = static_cast<std::size_t>(ranks.size());
  const at::Tensor sizes =
      ranks.all_gather(at::full({1}, static_cast<std::int64_t>(own.size()), at::kLong), Counts(all, 1));
  const Counts counts(sizes.const_data_ptr<std::int64_t>(), sizes.const_data_ptr<std::int64_t>() + all);
  const at::Tensor bytes = at::empty({static_cast<std::int64_t>(own.size())}, at::kChar);
  std::copy(own.begin(), own.end(), bytes.mutable_data_ptr<std::int8_t>());
  const at::Tensor joined = ranks.all_gather(bytes, counts);
  const char* next = reinterpret_cast<const char*>(joined.const_data_ptr());
  std::vector<std::string> texts;
  for (const std::int64_t count : counts) {
    texts.emplace_back(next, static_cast<std::size_t>(count));
    next += count;
  }
  return texts;
}

std::string first_problem(const std::vector<std::string>& of_each_rank) {
  const auto first = std::ranges::find_if(of_each_rank, [](const std::string& text) { return !text.empty(); });
  return first == of_each_rank.end() ? "" : *first;
}

// ---- Memory

/// What the other ranks need to open this rank's memory, or why they cannot.
struct PeerMemory::Shared {
  std::string handle, offset, problem;
};

/// A rank that fails alone must not leave the others in a collective call, so what it cannot do is gathered, and all
/// ranks fail together.
PeerMemory::PeerMemory(Communicator& host, at::Device gpu, std::int64_t bytes)
    : host_(host), exceptions_(std::uncaught_exceptions()) {
  const c10::cuda::CUDAGuard on_gpu(gpu);  // the others' memory is opened for the current device
  allocate(gpu, bytes);
  const Shared own = share();
  throw_first(Error::environment, all_gather_texts(host, own.problem));
  const std::vector<std::string> handles = all_gather_texts(host, own.handle);
  for (const std::string& offset : all_gather_texts(host, own.offset)) offsets_.push_back(std::stoll(offset));
  throw_first(Error::environment, all_gather_texts(host, open(handles)));
}

void PeerMemory::allocate(at::Device gpu, std::int64_t bytes) {
  std::string problem;
  std::exception_ptr failure;
  try {
    own_ = at::empty({bytes}, at::device(gpu).dtype(at::kByte));
  } catch (const c10::Error& error) {
    problem = fmt::format("rank {}: {}", host_.rank(), error.what_without_backtrace());
    failure = std::current_exception();
  }
  const std::vector<std::string> problems = all_gather_texts(host_, problem);
  if (failure) std::rethrow_exception(failure);  // whoever runs the stage explains it
  throw_first(Error::resource, problems);
}

PeerMemory::Shared PeerMemory::share() const {
  try {
    const allocator::ShareableHandle block = allocator::shareIpcHandle(own_.data_ptr());
    return {block.handle, std::to_string(block.offset), ""};
  } catch (const std::exception& error) {
    (void)cudaGetLastError();  // clears the error, which is handled here
    return {"", "0", fmt::format("rank {} cannot share its GPU's memory: {}", host_.rank(), first_line(error.what()))};
  }
}

/// Opens the other ranks' memory. Returns why that is not possible; empty when it is.
std::string PeerMemory::open(const std::vector<std::string>& handles) {
  for (int rank = 0; rank < host_.size(); ++rank) {
    try {
      opened_.push_back(rank == host_.rank() ? nullptr
                                             : allocator::getIpcDevPtr(handles[static_cast<std::size_t>(rank)]));
    } catch (const std::exception& error) {
      (void)cudaGetLastError();  // clears the error, which is handled here
      spdlog::debug("the memory of rank {} cannot be opened: {}", rank, error.what());
      return fmt::format("the GPU of rank {} cannot reach that of rank {}", host_.rank(), rank);
    }
  }
  return "";
}

PeerMemory::~PeerMemory() {
  if (std::uncaught_exceptions() > exceptions_) {
    static std::vector<at::Tensor> kept;  // the other ranks may still write there
    kept.push_back(own_);
    return;
  }
  try {
    synchronize(own_.device());
    opened_.clear();
    host_.barrier();
  } catch (const std::exception& error) {
    spdlog::error("{}", error.what());
  }
}

std::byte* PeerMemory::of(int rank) const {
  const auto i = static_cast<std::size_t>(rank);
  if (rank == host_.rank()) return static_cast<std::byte*>(own_.data_ptr());
  return static_cast<std::byte*>(opened_[i].get()) + offsets_[i];
}

// ---- Flags

StreamFlags::StreamFlags()
    : write_(driver_function<Call>("cuStreamWriteValue32")), wait_(driver_function<Call>("cuStreamWaitValue32")) {}

void StreamFlags::write(cudaStream_t stream, const std::byte* flag, std::uint32_t value) const {
  check(write_(stream, address(flag), value, CU_STREAM_WRITE_VALUE_DEFAULT), "cuStreamWriteValue32");
}

void StreamFlags::wait(cudaStream_t stream, const std::byte* flag, std::uint32_t value) const {
  check(wait_(stream, address(flag), value, CU_STREAM_WAIT_VALUE_EQ), "cuStreamWaitValue32");
}

}  // namespace wf
