# Finds liburing for bight::uring; used by the build (BIGHT_URING) and installed for the package's
# component `uring` alike. Makes the target bight::liburing, if 2.3 or later is there.
if(NOT TARGET bight::liburing)
  find_path(BIGHT_LIBURING_INCLUDE_DIR liburing.h)
  find_library(BIGHT_LIBURING_LIBRARY uring)
  mark_as_advanced(BIGHT_LIBURING_INCLUDE_DIR BIGHT_LIBURING_LIBRARY)
  if(BIGHT_LIBURING_INCLUDE_DIR AND BIGHT_LIBURING_LIBRARY)
    # Older releases do not say in their headers which one they are; this came with 2.3.
    file(STRINGS "${BIGHT_LIBURING_INCLUDE_DIR}/liburing.h" bight_liburing_line
      REGEX "io_uring_prep_sendmsg_zc" LIMIT_COUNT 1)
    if(bight_liburing_line)
      add_library(bight::liburing INTERFACE IMPORTED GLOBAL)
      set_property(TARGET bight::liburing PROPERTY
        INTERFACE_INCLUDE_DIRECTORIES "${BIGHT_LIBURING_INCLUDE_DIR}")
      set_property(TARGET bight::liburing PROPERTY
        INTERFACE_LINK_LIBRARIES "${BIGHT_LIBURING_LIBRARY}")
    else()
      message(STATUS
        "bight: ${BIGHT_LIBURING_INCLUDE_DIR}/liburing.h is too old, bight::uring needs 2.3")
    endif()
    unset(bight_liburing_line)
  endif()
endif()
