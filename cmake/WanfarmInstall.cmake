# What cmake --install installs and find_package(wanfarm) finds: the program, the libraries as wanfarm::base,
# wanfarm::jobs, wanfarm::stages, ..., and their headers as <folder/file.hpp>.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(_package "${CMAKE_INSTALL_LIBDIR}/cmake/wanfarm")
set(_headers "${CMAKE_INSTALL_INCLUDEDIR}/wanfarm")

# Sets `result` to the static libraries of a folder and its subfolders.
function(wf_libraries_of folder result)
  get_property(targets DIRECTORY "${folder}" PROPERTY BUILDSYSTEM_TARGETS)
  get_property(subfolders DIRECTORY "${folder}" PROPERTY SUBDIRECTORIES)
  set(found "")
  foreach(target IN LISTS targets)
    get_target_property(type ${target} TYPE)
    if(type STREQUAL "STATIC_LIBRARY")
      list(APPEND found ${target})
    endif()
  endforeach()
  foreach(subfolder IN LISTS subfolders)
    wf_libraries_of("${subfolder}" deeper)
    list(APPEND found ${deeper})
  endforeach()
  set(${result} "${found}" PARENT_SCOPE)
endfunction()

foreach(_folder IN ITEMS base cluster jobs parallel pipeline)
  wf_libraries_of("${PROJECT_SOURCE_DIR}/${_folder}" _libraries)
  foreach(_library IN LISTS _libraries)
    string(REGEX REPLACE "^wf_" "" _name "${_library}")
    set_target_properties(${_library} PROPERTIES EXPORT_NAME "${_name}")
  endforeach()
  install(TARGETS ${_libraries} EXPORT wanfarm ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
          INCLUDES DESTINATION "${_headers}")
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/${_folder}" DESTINATION "${_headers}" FILES_MATCHING PATTERN "*.hpp")
endforeach()
install(TARGETS wanfarm RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/models/shapes" DESTINATION "${CMAKE_INSTALL_DATADIR}/wanfarm/models"
        PATTERN "train" EXCLUDE PATTERN "world" EXCLUDE PATTERN "CMakeLists.txt" EXCLUDE)
install(EXPORT wanfarm NAMESPACE wanfarm:: FILE wanfarmTargets.cmake DESTINATION "${_package}")

configure_package_config_file(cmake/wanfarmConfig.cmake.in "${CMAKE_BINARY_DIR}/wanfarmConfig.cmake"
                              INSTALL_DESTINATION "${_package}")
write_basic_package_version_file("${CMAKE_BINARY_DIR}/wanfarmConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_BINARY_DIR}/wanfarmConfig.cmake" "${CMAKE_BINARY_DIR}/wanfarmConfigVersion.cmake"
              cmake/FindLibTorch.cmake cmake/FindNCCL.cmake DESTINATION "${_package}")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")
