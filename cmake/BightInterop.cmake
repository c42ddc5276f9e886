# The targets of include/bight/interop/ that need a third party: bight::cord, bight::protobuf and
# bight::grpc. They are headers only, so this file serves bight's own build and its installed
# package alike: an installed bight has each of them for whoever has the library.
#
# bight_add_interop(<cord|protobuf|grpc> [GLOBAL])
# Makes bight::<name> from bight::bight and the library, which is looked for unless the project has
# its target already. Without the library it makes nothing.
function(bight_add_interop name)
  if(TARGET bight::${name})
    return()
  endif()
  if(name STREQUAL "cord")
    set(library absl::cord)
    if(NOT TARGET ${library})
      find_package(absl CONFIG QUIET)
    endif()
  elseif(name STREQUAL "protobuf")
    set(library protobuf::libprotobuf)
    # Newer releases bring a package file, which knows that they need Abseil; CMake's own module
    # does not, and serves the older ones.
    if(NOT TARGET ${library})
      find_package(Protobuf CONFIG QUIET)
    endif()
    if(NOT TARGET ${library})
      find_package(Protobuf MODULE QUIET)
    endif()
  elseif(name STREQUAL "grpc")
    set(library gRPC::grpc++)
    if(NOT TARGET ${library})
      find_package(gRPC CONFIG QUIET)
    endif()
  else()
    message(FATAL_ERROR "bight has no interop target '${name}'")
  endif()
  if(TARGET ${library})
    add_library(bight::${name} INTERFACE IMPORTED ${ARGN})
    target_link_libraries(bight::${name} INTERFACE bight::bight ${library})
  endif()
endfunction()
