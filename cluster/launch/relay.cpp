#include "cluster/launch/relay.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

#include "base/error.hpp"

namespace wf {
namespace {

/// How long the thread waits at most before it looks whether the child has ended, or there is no more patience.
constexpr int longest_sleep_ms = 50;

std::array<int, 2> open_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    throw Error(Error::environment, std::string("cannot make a pipe: ") + std::strerror(errno));
  return ends;
}

}  // namespace

Relay::Pipe::Pipe(std::array<int, 2> ends) : out(ends[0]), in(ends[1]) {}

Relay::Relay(int stream) : stream_(stream), pipe_(open_pipe()) {}

void Relay::become_stream() const noexcept { ::dup2(pipe_.in.get(), stream_); }

void Relay::start() {
  ::close(pipe_.in.release());  // so that the pipe ends with the child
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

/// What the child wrote before it ended is in the pipe by then, so an empty pipe is the end.
void Relay::run(const std::stop_token& stop) {
  std::array<char, 1 << 16> buffer;
  for (;;) {
    const bool has_ended = stop.stop_requested();
    pollfd readable{pipe_.out.get(), POLLIN, 0};
    const int ready = ::poll(&readable, 1, has_ended ? 0 : longest_sleep_ms);
    if (ready == 0 && has_ended) return;
    if (ready <= 0) continue;
    const ssize_t count = ::read(pipe_.out.get(), buffer.data(), buffer.size());
    if (count <= 0) return;
    pass_on(buffer.data(), static_cast<std::size_t>(count));
  }
}

/// Writes no more at once than a pipe takes without blocking.
void Relay::pass_on(const char* bytes, std::size_t count) {
  while (wanted_ && count > 0) {
    pollfd writable{stream_, POLLOUT, 0};
    if (::poll(&writable, 1, longest_sleep_ms) == 0) {
      wanted_ = patient_;
      continue;
    }
    const ssize_t written = ::write(stream_, bytes, std::min<std::size_t>(count, PIPE_BUF));
    wanted_ = written >= 0 || errno == EAGAIN || errno == EINTR;
    if (written <= 0) continue;
    bytes += written;
    count -= static_cast<std::size_t>(written);
  }
}

}  // namespace wf
