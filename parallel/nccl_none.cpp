// parallel/nccl_none.cpp: nccl_communicator.hpp in a build without NCCL.
#include "base/error.hpp"
#include "parallel/nccl_communicator.hpp"

namespace wf {

std::unique_ptr<Communicator> nccl_communicator(std::unique_ptr<Communicator>, at::Device, const Waiting&,
                                                std::vector<int>) {
  throw Error(Error::environment,
              "several GPUs need NCCL, which this build does not have: a CUDA build includes it if it finds nccl.h");
}

std::string nccl_library() { return ""; }

}  // namespace wf
