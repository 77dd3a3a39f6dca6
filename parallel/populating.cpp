#include "parallel/populating.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "base/trace.hpp"

namespace wf {
namespace {

constexpr unsigned most_threads = 8;         // more were not faster
constexpr std::chrono::seconds patience{5};  // ten times what a part takes when many threads work

void find_pages(std::span<std::byte> pages) {
  constexpr int populate_write = 23;  // MADV_POPULATE_WRITE, which glibc 2.35 and newer name
  (void)::madvise(pages.data(), pages.size(), populate_write);
}

void find_pages_on_threads(std::span<std::byte> pages) {
  constexpr std::size_t share = 32 << 20;
  std::vector<std::jthread> threads;
  for (; !pages.empty(); pages = pages.subspan(std::min(share, pages.size())))
    threads.emplace_back([here = pages.first(std::min(share, pages.size()))] { find_pages(here); });
}

bool overlap(std::span<const std::byte> one, std::span<const std::byte> other) {
  return one.data() < other.data() + other.size() && other.data() < one.data() + one.size();
}

}  // namespace

Populating::Populating(std::shared_ptr<HostMemory> memory) : memory_(std::move(memory)) {
  const unsigned threads = std::clamp(std::thread::hardware_concurrency(), 1u, most_threads);
  for (unsigned i = 0; i < threads; ++i)
    threads_.emplace_back([this](const std::stop_token& stop) {
      trace::name_thread("populating");
      while (!stop.stop_requested()) {
        const std::optional<std::size_t> part = memory_->take_part();
        if (!part) return;
        find_pages(memory_->part(*part));
        memory_->mark_populated(*part);
      }
    });
}

void Populating::populate(std::span<std::byte> pages) {
  for (std::size_t part = 0; part < memory_->parts(); ++part)
    if (overlap(memory_->part(part), pages)) wait_for(part);
  find_pages_on_threads(pages);
}

void Populating::wait_for(std::size_t part) {
  auto moved = std::chrono::steady_clock::now();
  for (std::size_t ready = 0; waits_ && !memory_->is_populated(part);) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const std::size_t ready_now = memory_->populated_parts();
    if (std::exchange(ready, ready_now) != ready_now) moved = std::chrono::steady_clock::now();
    waits_ = std::chrono::steady_clock::now() - moved < patience;
  }
}

}  // namespace wf
