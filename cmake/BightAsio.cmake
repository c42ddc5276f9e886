# Makes targets for <bight/interop/asio.h> where Asio is found; used by the build and installed for
# the package's component `asio` alike. The header is all there is to it, no library.
#   bight::standalone_asio  standalone Asio, 1.22 or later
#   bight::boost_asio       Boost.Asio, 1.74 or later (of Boost only headers are needed)
#   bight::asio             whichever is there; the header chooses, standalone Asio first

# bight_find_asio(<name> <folder> <macro> <least> <use_boost> <known target>...): bight::<name>, if
# a target of the parent project or <folder>/version.hpp says that it is there and not too old.
function(bight_find_asio name folder macro least use_boost)
  if(TARGET bight::${name})
    return()
  endif()
  set(link)
  foreach(known IN LISTS ARGN)
    if(TARGET ${known})
      set(link ${known})
      break()
    endif()
  endforeach()
  string(TOUPPER "BIGHT_${name}_INCLUDE_DIR" variable)
  if(NOT link)
    find_path(${variable} "${folder}/version.hpp")
    mark_as_advanced(${variable})
    if(NOT ${variable})
      return()
    endif()
    file(STRINGS "${${variable}}/${folder}/version.hpp" line REGEX "define ${macro} [0-9]+")
    if(NOT line MATCHES "${macro} ([0-9]+)" OR CMAKE_MATCH_1 LESS least)
      message(STATUS "bight: ${${variable}}/${folder} is too old, no target bight::${name}")
      return()
    endif()
  endif()
  add_library(bight::${name} INTERFACE IMPORTED GLOBAL)
  set_property(TARGET bight::${name} PROPERTY INTERFACE_LINK_LIBRARIES
    bight::bight Threads::Threads ${link})
  set_property(TARGET bight::${name} PROPERTY INTERFACE_COMPILE_DEFINITIONS
    "BIGHT_ASIO_BOOST=${use_boost}")
  if(NOT link)
    set_property(TARGET bight::${name} PROPERTY INTERFACE_INCLUDE_DIRECTORIES "${${variable}}")
  endif()
endfunction()

bight_find_asio(standalone_asio asio ASIO_VERSION 102200 0 asio::asio)
bight_find_asio(boost_asio boost/asio BOOST_ASIO_VERSION 101800 1 Boost::headers Boost::boost)

if(NOT TARGET bight::asio AND (TARGET bight::standalone_asio OR TARGET bight::boost_asio))
  add_library(bight::asio INTERFACE IMPORTED GLOBAL)
  foreach(kind IN ITEMS standalone_asio boost_asio)
    if(TARGET bight::${kind})
      foreach(property IN ITEMS INTERFACE_LINK_LIBRARIES INTERFACE_INCLUDE_DIRECTORIES)
        get_target_property(value bight::${kind} ${property})
        if(value)
          set_property(TARGET bight::asio APPEND PROPERTY ${property} "${value}")
        endif()
      endforeach()
    endif()
  endforeach()
endif()
