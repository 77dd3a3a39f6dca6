// cluster/launch/start_guard.hpp: ends a rank while MPI starts, when a rank is lost for which MPI would wait for ever.
#pragma once

#include <thread>

namespace wf {

/// Lives while MPI starts in this rank. When another rank of this node ends meanwhile, or the launcher does, it says so
/// and ends the process, with code_of_lost_run where the process that started the ranks can start them again, else 1.
/// A rank that is lost on another node is not seen from here: World has a deadline for that.
class StartGuard {
 public:
  StartGuard();

 private:
  std::jthread thread_;
};

}  // namespace wf
