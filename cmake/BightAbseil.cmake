# Finds Abseil for bight::io: the parent project's, then an installed one, then, only if asked for,
# a download. Abseil's own version file knows exact matches only, so no version is given here; the
# headers check the oldest release that works.
if(NOT TARGET absl::status)
  find_package(absl CONFIG QUIET)
endif()
if(NOT TARGET absl::status AND BIGHT_FETCH_ABSEIL)
  include(FetchContent)
  set(ABSL_PROPAGATE_CXX_STD ON)
  set(ABSL_ENABLE_INSTALL ${BIGHT_INSTALL})
  FetchContent_Declare(abseil-cpp
    URL https://github.com/abseil/abseil-cpp/archive/refs/tags/20240722.0.tar.gz
    URL_HASH SHA256=f50e5ac311a81382da7fa75b97310e4b9006474f9560ac46f54a9967f07d4ae3)
  FetchContent_MakeAvailable(abseil-cpp)
endif()
if(NOT TARGET absl::status)
  message(FATAL_ERROR
    "bight::io needs Abseil (20220623 or later), and none was found. Install it with one of\n"
    "  apt:    sudo apt-get install libabsl-dev\n"
    "  brew:   brew install abseil\n"
    "  vcpkg:  vcpkg install abseil\n"
    "  Conan:  conan install --requires=abseil/20240116.2 --build=missing -g CMakeDeps\n"
    "or name its folder with -DCMAKE_PREFIX_PATH=..., or let CMake download it with "
    "-DBIGHT_FETCH_ABSEIL=ON, or build only the core with -DBIGHT_IO=OFF.")
endif()
