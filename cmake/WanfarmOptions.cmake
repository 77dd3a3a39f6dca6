# How everything is compiled: C++20, warnings, sanitizers, precompiled header, ccache.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)  # lets the installed program find the libraries that it was linked with

add_library(wf_warnings INTERFACE)
target_compile_options(wf_warnings INTERFACE $<$<COMPILE_LANGUAGE:C,CXX>:-Wall -Wextra -Wshadow -Winvalid-pch>
                                             $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
                                             # GCC 12 falsely warns of text + std::string (its bug 105651).
                                             $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-restrict>)

option(WF_WERROR "treat warnings as errors, as .ci/run does" OFF)
if(WF_WERROR)
  target_compile_options(wf_warnings INTERFACE $<$<COMPILE_LANGUAGE:C,CXX>:-Werror>
                                               $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings>)
endif()

# wf_add_folder(NAME SOURCES ... [PUBLIC ...] [PRIVATE ...] [ATEN]): the library of one folder, linked with the folders
# and packages that it may include. One target per folder makes the linker enforce the arrows of docs/architecture.md.
# ATEN: the sources use the precompiled ATen header.
function(wf_add_folder name)
  cmake_parse_arguments(F "ATEN" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(${name} STATIC ${F_SOURCES})
  target_include_directories(${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
  target_link_libraries(${name} PUBLIC ${F_PUBLIC} PRIVATE $<BUILD_INTERFACE:wf_warnings> ${F_PRIVATE})
  if(F_ATEN)
    wf_use_aten_header(${name})
  endif()
endfunction()

# wf_parallel, the lowest folder with tensors, makes the precompiled header that all others reuse.
function(wf_use_aten_header target)
  if(WF_PCH AND target STREQUAL wf_parallel)
    target_precompile_headers(${target} PRIVATE <ATen/ATen.h> <memory> <string> <vector>)
  elseif(WF_PCH)
    target_precompile_headers(${target} REUSE_FROM wf_parallel)
  endif()
endfunction()

if(WF_SANITIZE)
  list(JOIN WF_SANITIZE "," _sanitizers)
  add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=${_sanitizers}>
                      $<$<COMPILE_LANGUAGE:C,CXX>:-fno-omit-frame-pointer>
                      $<$<COMPILE_LANGUAGE:C,CXX>:-fno-sanitize-recover=all>)
  add_link_options(-fsanitize=${_sanitizers})
endif()

# Uses ccache if it is installed and no other launcher is set. It needs this sloppiness for precompiled headers; the
# base folder lets several clones share one cache.
find_program(WF_CCACHE ccache)
if(WF_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_SLOPPINESS=pch_defines,time_macros "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}"
      CCACHE_NOHASHDIR=1 "${WF_CCACHE}")
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
endif()
