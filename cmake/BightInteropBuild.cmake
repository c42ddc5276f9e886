# Makes the interop targets of this build (BIGHT_INTEROP) and installs what users need for theirs.
include(cmake/BightInterop.cmake)

if(BIGHT_INTEROP STREQUAL "auto")
  # Inside another project nothing is looked for that it did not ask for; and gRPC nowhere, because
  # its package file ends the whole configuration where one of its own packages is missing.
  if(PROJECT_IS_TOP_LEVEL)
    bight_add_interop(cord GLOBAL)
    bight_add_interop(protobuf GLOBAL)
    bight_add_interop(dlpack GLOBAL)
  endif()
else()
  foreach(name IN LISTS BIGHT_INTEROP)
    bight_add_interop(${name} GLOBAL)
    if(NOT TARGET bight::${name})
      message(FATAL_ERROR
        "BIGHT_INTEROP asks for ${name}, and its library was not found. With apt:\n"
        "  cord:      sudo apt-get install libabsl-dev\n"
        "  protobuf:  sudo apt-get install libprotobuf-dev protobuf-compiler\n"
        "  grpc:      sudo apt-get install libgrpc++-dev libprotobuf-dev protobuf-compiler-grpc\n"
        "  openssl:   sudo apt-get install libssl-dev openssl (and BIGHT_IO)\n"
        "  dlpack:    sudo apt-get install libdlpack-dev libabsl-dev\n"
        "  opencv:    sudo apt-get install libabsl-dev libopencv-core-dev")
    endif()
  endforeach()
endif()

if(BIGHT_INSTALL)
  install(FILES cmake/BightInterop.cmake DESTINATION "${CMAKE_INSTALL_LIBDIR}/cmake/bight")
  # Also without bight::io: they need the core and their own library.
  install(FILES
    include/bight/interop/cord.h
    include/bight/interop/dlpack.h
    include/bight/interop/grpc.h
    include/bight/interop/iostream.h
    include/bight/interop/openssl.h
    include/bight/interop/opencv.h
    include/bight/interop/protobuf.h
    DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/bight/interop")
endif()
