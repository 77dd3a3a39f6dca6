# Finds NCCL::nccl: next to LibTorch (pip's has libnccl.so.2 but no libnccl.so), else in the CUDA toolkit, else in the
# system. libtorch_cuda needs the same libnccl.so.2, so a process loads only one.
find_path(NCCL_INCLUDE_DIR nccl.h HINTS "${LibTorch_PREFIX}/../nvidia/nccl" ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES}
          PATH_SUFFIXES include NO_CACHE)
get_filename_component(_nccl "${NCCL_INCLUDE_DIR}/.." ABSOLUTE)
find_library(NCCL_LIBRARY NAMES nccl libnccl.so.2 NAMES_PER_DIR HINTS "${_nccl}" PATH_SUFFIXES lib lib64 NO_CACHE)
if(NCCL_INCLUDE_DIR)
  file(STRINGS "${NCCL_INCLUDE_DIR}/nccl.h" _v REGEX "define NCCL_(MAJOR|MINOR|PATCH) ")
  string(REGEX MATCHALL "[0-9]+" _v "${_v}")
  list(JOIN _v "." NCCL_VERSION)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(NCCL REQUIRED_VARS NCCL_LIBRARY NCCL_INCLUDE_DIR VERSION_VAR NCCL_VERSION)
if(NCCL_FOUND AND NOT TARGET NCCL::nccl)
  add_library(NCCL::nccl INTERFACE IMPORTED)
  target_include_directories(NCCL::nccl SYSTEM INTERFACE "${NCCL_INCLUDE_DIR}")
  target_link_libraries(NCCL::nccl INTERFACE "${NCCL_LIBRARY}")
endif()
