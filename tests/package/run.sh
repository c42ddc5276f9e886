#!/usr/bin/env bash
# Builds the project in consumer/ against bight in every supported way: installed (and the
# installed tree moved) by find_package and by pkg-config, by add_subdirectory, by FetchContent.
# Usage: run.sh SOURCE WORK static|shared CMAKE GENERATOR COMPILER LIBRARY_ARCHITECTURE
set -u
source=$1 work=$2 linkage=$3 cmake=$4 generator=$5 compiler=$6 architecture=$7
consumer=$source/tests/package/consumer
shared=OFF
libdir=lib
if [ "$linkage" = shared ]; then
  shared=ON
  # A folder two levels deep, as distributions use it, for the computed prefix of pkg-config.
  libdir=lib${architecture:+/$architecture}
fi
common=(-G "$generator" "-DCMAKE_CXX_COMPILER=$compiler" -DCMAKE_BUILD_TYPE=Debug
  "-DBUILD_SHARED_LIBS=$shared")
mkdir -p "$work" || exit 2
status=0

fail() {
  printf 'FAILED: %s\n' "$*"
  status=1
}

# quietly NAME COMMAND...: shows the command's output only if it fails.
quietly() {
  local name=$1
  shift
  if "$@" >"$work/$name.log" 2>&1; then
    printf 'ok: %s\n' "$name"
  else
    cat "$work/$name.log"
    fail "$name"
    return 1
  fi
}

# use HOW [CMAKE_ARGUMENT...]: configures, builds and runs the consumer.
use() {
  local how=$1
  shift
  quietly "$how-configure" "$cmake" -S "$consumer" -B "$work/$how" "${common[@]}" "-DHOW=$how" \
    "-DBIGHT_SOURCE=$source" "$@" &&
    quietly "$how-build" "$cmake" --build "$work/$how" --parallel 2 &&
    quietly "$how-run" "$cmake" -E chdir "$work/$how" ctest --output-on-failure
}

# refuse HOW REGEX [CMAKE_ARGUMENT...]: the consumer must not configure, for the reason given.
refuse() {
  local how=$1 regex=$2
  shift 2
  rm -rf "${work:?}/$how"
  if "$cmake" -S "$consumer" -B "$work/$how" "${common[@]}" "-DHOW=$how" "$@" >"$work/$how.log" 2>&1; then
    fail "$how configures"
  elif ! grep -qE "$regex" "$work/$how.log"; then
    cat "$work/$how.log"
    fail "$how does not say \"$regex\""
  else
    printf 'ok: %s is refused\n' "$how"
  fi
}

# --- Installed, then moved -------------------------------------------------------------------------
rm -rf "$work/first" "$work/prefix"
quietly configure "$cmake" -S "$source" -B "$work/library" "${common[@]}" \
  -DCMAKE_INSTALL_PREFIX="$work/first" -DCMAKE_INSTALL_LIBDIR="$libdir" \
  -DBIGHT_BUILD_TESTS=OFF -DBIGHT_BUILD_BENCHMARKS=OFF -DBIGHT_BUILD_EXAMPLES=OFF &&
  quietly build "$cmake" --build "$work/library" --parallel 2 &&
  quietly install "$cmake" --install "$work/library" || exit 1
mv "$work/first" "$work/prefix"
prefix=$work/prefix
if grep -rlF "$work/first" "$prefix/$libdir/cmake" "$prefix/$libdir/pkgconfig" "$prefix/include"; then
  fail "installed files name the folder they were installed to"
fi
installed=$(cd "$prefix" && find . -type f | sort)
grep -q '/include/bight/config.h$' <<<"$installed" || fail "config.h is not installed"
grep -qE '_test|benchmark|\.in$|\.cc$' <<<"$installed" && fail "installed too much: $installed"

use find_package "-DCMAKE_PREFIX_PATH=$prefix"
use find_package_core "-DCMAKE_PREFIX_PATH=$prefix"
use find_package_interop "-DCMAKE_PREFIX_PATH=$prefix"
refuse find_package_interop_without_library "'cord', or its library" "-DCMAKE_PREFIX_PATH=$prefix"
refuse find_package_wrong_version 'version.*0\.1\.0' "-DCMAKE_PREFIX_PATH=$prefix"
refuse find_package_wrong_component 'knots' "-DCMAKE_PREFIX_PATH=$prefix"

# --- pkg-config -------------------------------------------------------------------------------------
export PKG_CONFIG_PATH=$prefix/$libdir/pkgconfig
for user in core:bight io:bight-io; do
  program=${user%%:*}_user
  if flags=$(pkg-config --cflags --libs "${user##*:}"); then
    read -r -a words <<<"$flags"
    quietly "pkg-config-$program" "$compiler" -std=c++20 "$consumer/$program.cc" "${words[@]}" \
      -Wl,-rpath,"$prefix/$libdir" -o "$work/$program" &&
      quietly "pkg-config-$program-run" "$work/$program"
  else
    fail "pkg-config does not know ${user##*:}"
  fi
done

# --- What the shared libraries show and need --------------------------------------------------------
if [ "$linkage" = shared ]; then
  library=$prefix/$libdir/libbight.so
  # Strong symbols that are not ours would be leaks; weak ones are instantiations of std templates.
  leaks=$(nm -DC --defined-only "$library" | awk '$2 ~ /^[TDBR]$/' | grep -v 'bight' || true)
  [ -z "$leaks" ] || fail "libbight.so exports $leaks"
  nm -D --defined-only "$library" | grep -q ' R bight_abi_' || fail "libbight.so lacks the configuration symbol"
  if readelf -d "$library" | grep NEEDED | grep absl; then
    fail "the core links Abseil"
  fi
fi

# --- As part of the user's build ----------------------------------------------------------------------
use add_subdirectory
use FetchContent

# --- Without Abseil: a message with the commands, no silent download ------------------------------------
if [ "$linkage" = static ]; then
  rm -rf "$work/no_abseil"
  if "$cmake" -S "$source" -B "$work/no_abseil" "${common[@]}" -DBIGHT_BUILD_TESTS=OFF \
    -DBIGHT_BUILD_BENCHMARKS=OFF -DCMAKE_DISABLE_FIND_PACKAGE_absl=ON >"$work/no_abseil.log" 2>&1; then
    fail "bight::io configures without Abseil"
  fi
  for words in "apt-get install libabsl-dev" "brew install abseil" "vcpkg install abseil" "conan install" \
    "BIGHT_FETCH_ABSEIL"; do
    grep -qF -- "$words" "$work/no_abseil.log" || fail "the message for a missing Abseil lacks '$words'"
  done
fi
exit $status
