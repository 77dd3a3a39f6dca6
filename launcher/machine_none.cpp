// launcher/machine_none.cpp: the CUDA part of machine.hpp in a build without CUDA.
#include "launcher/machine.hpp"

namespace wf {

CudaView cuda_view() { return {}; }

}  // namespace wf
