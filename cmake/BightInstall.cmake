# Install rules: headers, libraries, the CMake package (components core, io and uring) and pkg-config files.
include(CMakePackageConfigHelpers)

set(bight_cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/bight")

install(FILES "${PROJECT_BINARY_DIR}/include/bight/config.h"
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/bight")
if(BIGHT_IO)
  set(bight_left_out)
  if(NOT BIGHT_URING)
    set(bight_left_out PATTERN "io/uring.h" EXCLUDE)
  endif()
else()
  # These need Abseil.
  set(bight_left_out REGEX "/bight/(io|testing)$" EXCLUDE)
endif()
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/bight"
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILES_MATCHING PATTERN "*.h"
  ${bight_left_out})

# A set of targets for each component, so that the core can be had without Abseil.
function(bight_install_component component target)
  install(TARGETS ${target} EXPORT bight-${component}-targets
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
  install(EXPORT bight-${component}-targets
    NAMESPACE bight::
    DESTINATION "${bight_cmake_dir}")
endfunction()

bight_install_component(core bight)
if(BIGHT_IO)
  bight_install_component(io bight_io)
endif()
if(BIGHT_URING)
  bight_install_component(uring bight_uring)
  install(FILES cmake/BightUring.cmake DESTINATION "${bight_cmake_dir}")
endif()

configure_package_config_file(cmake/bight-config.cmake.in
  "${PROJECT_BINARY_DIR}/cmake/bight-config.cmake"
  INSTALL_DESTINATION "${bight_cmake_dir}"
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(
  "${PROJECT_BINARY_DIR}/cmake/bight-config-version.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES
  "${PROJECT_BINARY_DIR}/cmake/bight-config.cmake"
  "${PROJECT_BINARY_DIR}/cmake/bight-config-version.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/BightAsio.cmake"
  DESTINATION "${bight_cmake_dir}")

# pkg-config: the prefix is computed from where the file lies, so that an installed tree can move.
# How many folders up that is depends on the library folder (lib, lib64, lib/<triplet>).
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(bight_pc_prefix "${CMAKE_INSTALL_PREFIX}")
  set(bight_pc_libdir "${CMAKE_INSTALL_LIBDIR}")
else()
  file(RELATIVE_PATH bight_pc_up "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
  string(REGEX REPLACE "/$" "" bight_pc_up "${bight_pc_up}")
  set(bight_pc_prefix "\${pcfiledir}/${bight_pc_up}")
  set(bight_pc_libdir "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
endif()
if(IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(bight_pc_includedir "${CMAKE_INSTALL_INCLUDEDIR}")
else()
  set(bight_pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file(cmake/bight.pc.in "${PROJECT_BINARY_DIR}/cmake/bight.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/cmake/bight.pc"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
if(BIGHT_IO)
  configure_file(cmake/bight-io.pc.in "${PROJECT_BINARY_DIR}/cmake/bight-io.pc" @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/cmake/bight-io.pc"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endif()
if(BIGHT_URING)
  configure_file(cmake/bight-uring.pc.in "${PROJECT_BINARY_DIR}/cmake/bight-uring.pc" @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/cmake/bight-uring.pc"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endif()
