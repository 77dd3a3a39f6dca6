// parallel/pinned_pages.hpp: pins memory that is there already, as processes that share it must, each for its own GPU.
#pragma once

#include <c10/core/Device.h>

#include <cstddef>
#include <span>
#include <string>

namespace wf {

/// Pins pages, so that copies between them and the GPU run at the speed of the bus and beside computation. The pages
/// must not be pinned by this process yet. Returns why that is not possible, in the library's words; empty: it is done.
/// Does nothing for a CPU. May wait until the GPU has done what is queued. Safe from any thread.
std::string pin_pages(at::Device device, std::span<std::byte> pages);

/// The inverse, for the same pages, when no copy from or to them is under way.
void unpin_pages(at::Device device, std::span<std::byte> pages) noexcept;

}  // namespace wf
