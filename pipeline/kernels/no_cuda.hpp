// pipeline/kernels/no_cuda.hpp: what kernels do in a build without CUDA, where nothing is supported.
#pragma once

#include "base/error.hpp"

namespace wf {

[[noreturn]] inline void never() { throw Error(Error::internal, "a GPU kernel was called in a build without CUDA"); }

}  // namespace wf
