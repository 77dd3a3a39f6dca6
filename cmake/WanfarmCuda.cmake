# The CUDA build: the compiler and the flags of .cu files, and the CUDA headers for C++ files.
# An nvcc next to LibTorch comes first (./wanfarm puts pip's there if the machine has none that fits), then PATH's.
file(GLOB _nvcc "${LibTorch_PREFIX}/../nvidia/cu*/bin/nvcc")
if(_nvcc)
  # CMake's compiler probe links with nvcc, which looks for its libraries in lib64/; pip installs them in lib/.
  get_filename_component(_pip_cuda "${_nvcc}/../.." ABSOLUTE)
  set(ENV{LIBRARY_PATH} "${_pip_cuda}/lib:$ENV{LIBRARY_PATH}")
endif()
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  find_program(WF_NVCC NAMES ${_nvcc} nvcc PATHS "$ENV{CUDA_HOME}/bin" /usr/local/cuda/bin)
  if(NOT WF_NVCC)
    message(FATAL_ERROR "the CUDA build needs nvcc, which is neither on PATH nor in /usr/local/cuda/bin.\n"
            "Set -DCMAKE_CUDA_COMPILER=FILE, let pip fetch it with ./wanfarm --cuda, or build with -DWF_CUDA=OFF")
  endif()
  set(CMAKE_CUDA_COMPILER "${WF_NVCC}")
endif()

set(CMAKE_CUDA_ARCHITECTURES ${WF_CUDA_ARCHS})
set(CMAKE_CUDA_RUNTIME_LIBRARY None)  # LibTorch::cuda links the libcudart that torch loads; a process must not have two
enable_language(CUDA)
set(CMAKE_CUDA_STANDARD 20)
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)  # CMake 3.25 does not know that nvcc supports it
endif()

string(REGEX MATCH "^[0-9]+" _nvcc_major "${CMAKE_CUDA_COMPILER_VERSION}")
if(LibTorch_CUDA_MAJOR AND NOT LibTorch_CUDA_MAJOR EQUAL _nvcc_major)
  message(FATAL_ERROR "${CMAKE_CUDA_COMPILER} is CUDA ${CMAKE_CUDA_COMPILER_VERSION}, but LibTorch was built for "
          "CUDA ${LibTorch_CUDA_MAJOR}. Set a matching nvcc: -DCMAKE_CUDA_COMPILER=FILE")
endif()

target_include_directories(LibTorch::cuda SYSTEM INTERFACE
                           "$<$<COMPILE_LANGUAGE:CXX>:${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES}>")
add_compile_options($<$<COMPILE_LANGUAGE:CUDA>:-lineinfo>)  # profilers show source lines; costs no speed
target_compile_options(wf_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:CUDA>:-Wreorder> $<$<COMPILE_LANGUAGE:CUDA>:-Wdefault-stream-launch>
  $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra>)
