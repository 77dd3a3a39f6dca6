# Every library that wanfarm links, each under one target name.
find_package(LibTorch 2.7 REQUIRED)
list(APPEND CMAKE_INSTALL_RPATH "${LibTorch_PREFIX}/lib")  # CMake leaves a .deps inside the source tree out of link paths
find_package(HDF5 REQUIRED COMPONENTS C)
find_package(ZLIB REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(yaml-cpp REQUIRED)
if(NOT TARGET yaml-cpp::yaml-cpp)  # 0.7 calls it yaml-cpp
  add_library(yaml-cpp::yaml-cpp ALIAS yaml-cpp)
endif()
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
if(WF_FFMPEG)
  pkg_check_modules(FFMPEG REQUIRED IMPORTED_TARGET libavformat libavcodec libswscale libavutil)
endif()
if(WF_CUDA)
  find_package(LibTorch REQUIRED COMPONENTS CUDA)
  file(GLOB_RECURSE _kernels CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/p*/*.cu")  # parallel/ and pipeline/
  if(_kernels)
    set(CMAKE_CUDA_ARCHITECTURES ${WF_CUDA_ARCHS})
    set(CMAKE_CUDA_STANDARD 17)  # CMake 3.25 knows no CUDA20
    set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)  # the libcudart that torch loads, not a second, static one
    enable_language(CUDA)
  endif()
endif()
if(WF_TESTS)
  find_package(GTest REQUIRED)
endif()
