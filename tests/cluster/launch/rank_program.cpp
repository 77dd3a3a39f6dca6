// tests/launcher/front_program.cpp: stands in for wanfarm behind --ranks, without a model; its words say what its ranks
// do: front_program [--ranks N] (code C | lines N | drain | kill RANK SIGNAL)
#include <mpi.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "cluster/error.hpp"
#include "cluster/signals.hpp"
#include "launcher/front.hpp"

namespace wf {
namespace {

using Words = std::vector<std::string>;

/// Says by a file that this rank waits now.
void wait(int rank) {
  std::ofstream("waiting-" + std::to_string(rank)) << '\n';
  for (int i = 0; i < 3000 && !stop_requested(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

int drain(int rank) {
  install_stop_signals();
  wait(rank);
  std::cout << "rank " + std::to_string(rank) + (stop_requested() ? " stopped\n" : " was never told\n") << std::flush;
  return rank == 0 && stop_requested() ? 75 : 0;
}

int lines(int count) {
  for (int i = 0; i < count; ++i)
    std::cout << "{\"line\":" << i << ",\"x\":\"" << std::string(i % 5000, 'x') << "\"}\n";
  std::cout << std::flush;
  return 0;
}

/// One dies, the others wait, deaf to a drain. With MPI, for mpirun does not always name a rank that has none.
int kill(int rank, int which, int signal) {
  ::signal(SIGUSR1, SIG_IGN);
  MPI_Init(nullptr, nullptr);
  if (rank == which) ::raise(signal);
  wait(rank);
  return MPI_Finalize();
}

int as_rank(int rank, const Words& words) {
  const std::string& what = words.at(0);
  if (what == "code") return rank == 0 ? std::stoi(words.at(1)) : 0;
  if (what == "lines") return rank == 0 ? lines(std::stoi(words.at(1))) : 0;
  if (what == "drain") return drain(rank);
  return what == "kill" ? kill(rank, std::stoi(words.at(1)), std::stoi(words.at(2))) : 99;
}

int work(const Words& words) {
  int ranks = 0;
  for (std::size_t i = 0; i + 1 < words.size(); ++i)
    if (words[i] == "--ranks") ranks = std::stoi(words[i + 1]);
  if (const auto code = run_as_ranks(ranks)) return *code;
  return as_rank(rank_from(environment()).rank, without_ranks(words));
}

}  // namespace
}  // namespace wf

int main(int argc, char** argv) {
  try {
    return wf::leave_exit_code(wf::work({argv + 1, argv + argc}));
  } catch (const wf::Error& error) {
    std::cerr << error.what() << '\n';
    return wf::leave_exit_code(wf::exit_code(error.kind()));
  }
}
