#include "base/signals.hpp"

#include <signal.h>
#include <unistd.h>

#include <atomic>

namespace wf {
namespace {

std::atomic<bool> stop{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may touch lock-free atomics only");

void on_signal(int signal) {
  if (stop.exchange(true) && insists(signal)) _exit(128 + signal);
}

bool is_ignored(int signal) {
  struct sigaction action {};
  return sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

std::vector<int> stop_signals() {
  std::vector<int> signals{SIGINT, SIGTERM, SIGUSR1};
  if (!is_ignored(SIGHUP)) signals.push_back(SIGHUP);
  return signals;
}

bool insists(int signal) noexcept { return signal == SIGINT || signal == SIGTERM; }

void unblock_stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : stop_signals()) sigaddset(&signals, signal);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

void install_stop_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  for (const int signal : stop_signals()) sigaction(signal, &action, nullptr);
  unblock_stop_signals();
  ::signal(SIGPIPE, SIG_IGN);
}

bool stop_requested() noexcept { return stop; }

}  // namespace wf
