// base/fault.hpp: faults on purpose, at named points of the program, for tests of what survives them and for anyone who
// wants to see it. They are always compiled in and cost nothing while WANFARM_FAULT is not set.
//
//   WANFARM_FAULT=ACTION@POINT[:CHANCE][#RANK],...      kill@after_rename:0.1,enospc@store,hang@high#1
//
//   kill     the process dies by SIGKILL          freeze         SIGSTOP stops the process
//   hang     the thread never comes back          slow           the thread sleeps for 0.2 s
//   throw    Error(internal)                      enospc, eio    Error(storage), as the disk would report it
//   drain    the process gets SIGUSR1, as before the end of a job's time
//   POINT    one of fault_points(); denoise is both high and low
//   CHANCE   of each passage, 0 < CHANCE <= 1 (1)
//   RANK     only this rank (all)
#pragma once

#include <string>
#include <vector>

namespace wf {

/// The names of all points.
const std::vector<std::string>& fault_points();

/// Does what WANFARM_FAULT asks for at this point; usually nothing. `point` is one of fault_points() but denoise.
void fault_point(const char* point);

/// Reads WANFARM_FAULT, of which only the faults of this rank count from then on. Throws Error(input) when it cannot be
/// understood.
void prepare_faults(int rank);

}  // namespace wf
