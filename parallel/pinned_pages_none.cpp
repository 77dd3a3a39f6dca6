// parallel/pinned_pages_none.cpp: pinned_pages.hpp in a build without CUDA, where every device is a CPU.
#include "parallel/pinned_pages.hpp"

namespace wf {

std::string pin_pages(at::Device, std::span<std::byte>) { return ""; }
void unpin_pages(at::Device, std::span<std::byte>) noexcept {}

}  // namespace wf
