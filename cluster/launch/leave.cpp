#include "cluster/launch/leave.hpp"

#include <spdlog/spdlog.h>

#include <cstdlib>
#include <iostream>

namespace wf {

void flush_output() {
  std::cout.flush();
  spdlog::default_logger()->flush();
}

void leave_process(int exit_code) {
  flush_output();
  std::_Exit(exit_code);
}

}  // namespace wf
