#include "jobs/record/journal.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "base/error.hpp"
#include "base/fault.hpp"
#include "base/log.hpp"
#include "jobs/record/event_text.hpp"

namespace wf {
namespace {

/// Unix time in seconds, to the millisecond.
double now() {
  const auto time = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<double>(std::chrono::duration_cast<std::chrono::milliseconds>(time).count()) / 1000;
}

std::string read_whole(const Path& file) {
  try {
    return read_file(file);
  } catch (const Error& error) {
    throw Error(Error::storage, error.what());
  }
}

std::int64_t last_epoch_of(const Path& output) {
  std::error_code error;
  if (!std::filesystem::exists(journal_file(output), error)) return 0;
  std::int64_t last = 0;
  for_each_event(read_whole(journal_file(output)),
                 [&](std::string_view event) { last = std::max(last, epoch_of(event)); });
  return last;
}

}  // namespace

/// add() writes under `mutex`. A flush takes long on some disks, so it holds only `flushing`, and events are added
/// meanwhile.
struct Journal::Open {
  Open(const Path& output, std::int64_t last_epoch);
  void write(const std::string& line);
  void flush();
  void reopen();
  void flush_each_second(const std::stop_token& stop);

  const Path path;
  const std::int64_t epoch;
  std::mutex flushing;  ///< Locked before `mutex`.
  std::mutex mutex;     ///< Guards all that follows.
  std::condition_variable_any ending;
  std::unique_ptr<AppendFile> file;
  std::int64_t number = 0;
  bool torn = false;      ///< Whether the file may end in a part of a line.
  std::string unflushed;  ///< Lines that no flush has made durable yet.
  /// Whether the file has to be opened anew, and `unflushed` be written again.
  std::atomic<bool> flush_failed = false;
  std::jthread flusher;  ///< The last member, since its thread uses the others.
};

Journal::Open::Open(const Path& output, std::int64_t last_epoch) : path(journal_file(output)), epoch(last_epoch + 1) {
  make_folder(path.parent_path());
  torn = ends_in_a_line(path);
  file = std::make_unique<AppendFile>(path);
  flusher = std::jthread([this](const std::stop_token& stop) { flush_each_second(stop); });
}

/// Appends the lines. Behind what may be a part of a line they begin a new one.
void Journal::Open::write(const std::string& lines) {
  const std::string text = (torn ? "\n" : "") + lines;
  torn = true;
  file->append(text);
  torn = false;
}

void Journal::Open::reopen() {
  file = std::make_unique<AppendFile>(path);
  torn = true;
  write(unflushed);
  file->flush();
  unflushed.clear();
  flush_failed = false;
}

void Journal::Open::flush() {
  const std::lock_guard one_at_a_time(flushing);
  std::unique_lock lock(mutex);
  if (flush_failed) return reopen();
  const std::size_t written = unflushed.size();
  if (written == 0) return;
  lock.unlock();
  try {
    file->flush();  // nobody replaces the file meanwhile: that takes `flushing`, too
  } catch (...) {
    flush_failed = true;
    throw;
  }
  lock.lock();
  unflushed.erase(0, written);
}

void Journal::Open::flush_each_second(const std::stop_token& stop) {
  using namespace std::chrono_literals;
  bool was_well = true;
  while (!stop.stop_requested()) {
    try {
      flush();
      was_well = true;
    } catch (const std::exception& error) {
      if (std::exchange(was_well, false)) spdlog::warn("{}; it is tried again each second", error.what());
    }
    std::unique_lock lock(mutex);
    ending.wait_for(lock, stop, 1s, [&] { return stop.stop_requested(); });
  }
}

Journal::Journal(const Path& output) : Journal(output, last_epoch_of(output)) {}

Journal::Journal(const Path& output, std::int64_t last_epoch) : open_(std::make_unique<Open>(output, last_epoch)) {}

Journal::~Journal() {
  open_->flusher.request_stop();
  open_->flusher.join();
  try {
    flush();
  } catch (const std::exception& error) {
    spdlog::error("{}", error.what());
  }
}

std::int64_t Journal::epoch() const noexcept { return open_->epoch; }

void Journal::add(Event event) {
  fault_point("journal");
  if (open_->flush_failed) flush();
  const std::lock_guard lock(open_->mutex);
  event.epoch = open_->epoch;
  event.number = open_->number + 1;
  if (event.time == 0) event.time = now();
  const std::string line = to_line(event) + "\n";
  open_->write(line);
  open_->number = event.number;
  open_->unflushed += line;
}

void Journal::flush() { open_->flush(); }

}  // namespace wf
