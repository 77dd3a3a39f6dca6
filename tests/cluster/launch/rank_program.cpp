// tests/cluster/launch/rank_program.cpp: a program without a model that takes --ranks as wanfarm does. Its arguments
// select what its ranks do: rank_program [--ranks N] (code C | clips N C | lines N | drain | kill RANK SIGNAL)
#include <mpi.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "base/error.hpp"
#include "base/signals.hpp"
#include "cluster/launch/start_ranks.hpp"

namespace wf {
namespace {

using Arguments = std::vector<std::string>;

/// Waits up to 30 s for a request to stop; a file shows that this rank waits.
void wait(int rank) {
  std::ofstream("waiting-" + std::to_string(rank)) << '\n';
  for (int i = 0; i < 3000 && !stop_requested(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

int drain(int rank) {
  install_stop_signals();
  wait(rank);
  std::cout << "rank " + std::to_string(rank) + (stop_requested() ? " stopped\n" : " was not asked to stop\n")
            << std::flush;
  return rank == 0 && stop_requested() ? 75 : 0;
}

/// Rank 0 finishes so many clips.
int clips(int rank, int count, int code) {
  for (int i = 0; i < count && rank == 0; ++i) note_progress();
  return rank == 0 ? code : 0;
}

int lines(int count) {
  for (int i = 0; i < count; ++i)
    std::cout << "{\"line\":" << i << ",\"x\":\"" << std::string(i % 5000, 'x') << "\"}\n";
  std::cout << std::flush;
  return 0;
}

/// Rank `which` dies, the others wait and ignore a drain. With MPI, because mpirun does not always name a rank that has
/// not called MPI_Init.
int kill(int rank, int which, int signal) {
  ::signal(SIGUSR1, SIG_IGN);
  MPI_Init(nullptr, nullptr);
  if (rank == which) ::raise(signal);
  wait(rank);
  return MPI_Finalize();
}

int run_as_rank(int rank, const Arguments& arguments) {
  const std::string& what = arguments.at(0);
  if (what == "code") return rank == 0 ? std::stoi(arguments.at(1)) : 0;
  if (what == "clips") return clips(rank, std::stoi(arguments.at(1)), std::stoi(arguments.at(2)));
  if (what == "lines") return rank == 0 ? lines(std::stoi(arguments.at(1))) : 0;
  if (what == "drain") return drain(rank);
  return what == "kill" ? kill(rank, std::stoi(arguments.at(1)), std::stoi(arguments.at(2))) : 99;
}

int run(const Arguments& arguments) {
  int ranks = 0;
  Losses losses;
  for (std::size_t i = 0; i + 1 < arguments.size(); ++i) {
    if (arguments[i] == "--ranks") ranks = std::stoi(arguments[i + 1]);
    if (arguments[i] == "--restarts") losses = {.others_go_on = true, .restarts = std::stoi(arguments[i + 1])};
  }
  if (const auto code = run_as_ranks(ranks, losses)) return *code;
  return run_as_rank(rank_from(environment()).rank, command_of_ranks(arguments));
}

}  // namespace
}  // namespace wf

int main(int argc, char** argv) {
  try {
    return wf::leave_exit_code(wf::run({argv + 1, argv + argc}));
  } catch (const wf::Error& error) {
    std::cerr << error.what() << '\n';
    return wf::leave_exit_code(wf::exit_code(error.kind()));
  }
}
