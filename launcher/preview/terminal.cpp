#include "launcher/preview/terminal.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <sstream>

#include "base/descriptor.hpp"

namespace wf {
namespace {

using Clock = std::chrono::steady_clock;

std::string environment_variable(const char* name) {
  const char* const value = std::getenv(name);
  return value ? value : "";
}

/// A terminal whose answers can be read, letter by letter and without being shown, until destruction.
class RawTerminal {
 public:
  explicit RawTerminal(int terminal) : terminal_(terminal) {
    if (::tcgetattr(terminal_, &before_) != 0) return;
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    is_raw_ = ::tcsetattr(terminal_, TCSANOW, &raw) == 0;
  }
  ~RawTerminal() {
    if (is_raw_) ::tcsetattr(terminal_, TCSAFLUSH, &before_);  // and forgets an answer that comes too late
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

  /// What the terminal answers up to the character `last`, or until the time is over.
  std::string ask(std::string_view question, char last, std::chrono::milliseconds patience) const {
    std::string answer;
    if (!is_raw_ || ::write(terminal_, question.data(), question.size()) < 0) return answer;
    const auto deadline = Clock::now() + patience;
    while (!answer.ends_with(last)) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
      pollfd ready{terminal_, POLLIN, 0};
      char c = 0;
      if (left.count() <= 0 || ::poll(&ready, 1, static_cast<int>(left.count())) <= 0) break;
      if (::read(terminal_, &c, 1) != 1) break;
      answer += c;
    }
    return answer;
  }

 private:
  int terminal_;
  bool is_raw_ = false;
  termios before_{};
};

bool terminal_has_sixel() {
  const Descriptor terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC));
  // A process in the background that changes its terminal is stopped by it.
  if (terminal.get() < 0 || ::tcgetpgrp(terminal.get()) != ::getpgrp()) return false;
  return names_sixel(RawTerminal(terminal.get()).ask("\x1b[c", 'c', std::chrono::milliseconds(300)));
}

}  // namespace

bool has_kitty_graphics(const Variable& variable) {
  const std::string term = variable("TERM"), program = variable("TERM_PROGRAM");
  if (!variable("TMUX").empty() || term.starts_with("screen") || term.starts_with("tmux")) return false;
  return !variable("KITTY_WINDOW_ID").empty() || term == "xterm-kitty" || term == "xterm-ghostty" ||
         program == "WezTerm" || program == "ghostty";
}

bool names_sixel(std::string_view answer) {
  const std::size_t begin = answer.find("\x1b[?"), end = answer.find('c');
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin) return false;
  std::istringstream attributes{std::string(answer.substr(begin + 3, end - begin - 3))};
  for (std::string attribute; std::getline(attributes, attribute, ';');)
    if (attribute == "4") return true;
  return false;
}

Graphics detect_graphics() {
  if (!::isatty(STDOUT_FILENO)) return Graphics::blocks;
  if (has_kitty_graphics(environment_variable)) return Graphics::kitty;
  return terminal_has_sixel() ? Graphics::sixel : Graphics::blocks;
}

Screen screen_size() {
  Screen result;
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return result;
  result.columns = size.ws_col;
  if (size.ws_xpixel >= size.ws_col && size.ws_ypixel >= size.ws_row)
    result.cell = {size.ws_xpixel / size.ws_col, size.ws_ypixel / size.ws_row};
  return result;
}

}  // namespace wf
