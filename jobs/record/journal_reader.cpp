#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <iterator>

#include "base/descriptor.hpp"
#include "base/error.hpp"
#include "jobs/record/event_text.hpp"
#include "jobs/record/journal.hpp"

namespace wf {
namespace {

/// Whether this event of the last epoch is there already. Those that a failed flush has lost come late, if at all.
bool is_repeated(JournalContent& content, std::int64_t number) {
  if (number > content.last_number) {
    if (number > content.last_number + 1) content.missing.emplace(content.last_number + 1, number - 1);
    content.last_number = number;
    return false;
  }
  auto gap = content.missing.upper_bound(number);
  if (gap == content.missing.begin() || std::prev(gap)->second < number) return true;
  const auto [first, last] = *--gap;
  content.missing.erase(gap);
  if (first < number) content.missing.emplace(first, number - 1);
  if (number < last) content.missing.emplace(number + 1, last);
  return false;
}

/// Takes an event in, unless it is fenced or is there already.
void take(JournalContent& content, std::string_view text) {
  auto event = event_from(text);
  const std::int64_t epoch = event ? event->epoch : epoch_of(text);
  if (epoch < content.last_epoch) return void(++content.fenced);
  if (epoch > content.last_epoch) {
    content.last_epoch = epoch;
    content.last_number = 0;
    content.missing.clear();
  }
  if (!event) return;  // of a kind that a newer version writes
  if (is_repeated(content, event->number)) return void(++content.repeated);
  content.events.push_back(std::move(*event));
}

EventScan take_all(JournalContent& content, std::string_view text) {
  return for_each_event(text, [&](std::string_view event) { take(content, event); });
}

[[noreturn]] void cannot_read(const Path& file) {
  throw Error(Error::input, file.string() + ": cannot be read: " + std::strerror(errno));
}

std::string read_from(int fd, std::uint64_t offset, std::uint64_t size, const Path& file) {
  std::string text(size, '\0');
  std::size_t count = 0;
  while (count < text.size()) {
    const ssize_t got = ::pread(fd, text.data() + count, text.size() - count, static_cast<off_t>(offset + count));
    if (got < 0) cannot_read(file);
    if (got == 0) break;  // it has become shorter meanwhile
    count += static_cast<std::size_t>(got);
  }
  text.resize(count);
  return text;
}

}  // namespace

JournalContent parse_journal(std::string_view text) {
  JournalContent content;
  const EventScan scan = take_all(content, text);
  content.damaged = scan.damaged + scan.rest;
  return content;
}

JournalContent read_journal(const Path& output) {
  std::error_code error;
  const Path file = journal_file(output);
  return std::filesystem::exists(file, error) ? parse_journal(read_file(file)) : JournalContent{};
}

JournalReader::JournalReader(const Path& output) : file_(journal_file(output)) {}

bool JournalReader::update(JournalContent& content) {
  const Descriptor fd(::open(file_.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0 && errno == ENOENT) return true;
  struct stat status {};
  if (fd.get() < 0 || ::fstat(fd.get(), &status) != 0) cannot_read(file_);
  const auto size = static_cast<std::uint64_t>(status.st_size);
  const bool same = offset_ == 0 || (status.st_ino == inode_ && size >= offset_);
  if (!same) {
    content = {};
    offset_ = 0;
  }
  inode_ = status.st_ino;
  const EventScan scan = take_all(content, read_from(fd.get(), offset_, size - offset_, file_));
  offset_ += scan.read;
  content.damaged += scan.damaged;
  return same;
}

}  // namespace wf
