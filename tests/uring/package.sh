#!/usr/bin/env bash
# Installs this build, and builds and runs consumer/ against it by CMake and by pkg-config; without
# liburing both, and bight's own configuration, must say what is missing.
# Usage: package.sh SOURCE BUILD WORK CMAKE GENERATOR COMPILER LIBRARY_FOLDER
set -u
source=$1 build=$2 work=$3 cmake=$4 generator=$5 compiler=$6 libdir=$7
consumer=$source/tests/uring/consumer
common=(-G "$generator" "-DCMAKE_CXX_COMPILER=$compiler")
# As on a machine without liburing: what is set, though to nothing, is not looked for.
hidden=(-DBIGHT_LIBURING_LIBRARY=)
status=0
rm -rf "${work:?}"
mkdir -p "$work" || exit 2

# quietly NAME COMMAND...: shows the command's output only if it fails.
quietly() {
  local name=$1
  shift
  "$@" >"$work/$name.log" 2>&1 && return
  cat "$work/$name.log"
  printf 'FAILED: %s\n' "$name"
  status=1
}
# refused NAME WORDS COMMAND...: the command must fail and say the words.
refused() {
  local name=$1 words=$2
  shift 2
  if "$@" >"$work/$name.log" 2>&1 || ! grep -qF -- "$words" "$work/$name.log"; then
    cat "$work/$name.log"
    printf 'FAILED: %s does not end with "%s"\n' "$name" "$words"
    status=1
  fi
}

quietly install "$cmake" --install "$build" --prefix "$work/prefix"
quietly configure "$cmake" -S "$consumer" -B "$work/user" "${common[@]}" "-DCMAKE_PREFIX_PATH=$work/prefix"
quietly build "$cmake" --build "$work/user"
quietly run "$work/user/uring_user"
refused without "has no component 'uring'" \
  "$cmake" -S "$consumer" -B "$work/without" "${common[@]}" "${hidden[@]}" "-DCMAKE_PREFIX_PATH=$work/prefix"
refused own "apt-get install liburing-dev" \
  "$cmake" -S "$source" -B "$work/own" "${common[@]}" "${hidden[@]}" -DBIGHT_URING=ON \
  -DBIGHT_BUILD_TESTS=OFF -DBIGHT_BUILD_BENCHMARKS=OFF -DBIGHT_BUILD_EXAMPLES=OFF -DBIGHT_INTEROP=
if command -v pkg-config >/dev/null; then
  read -r -a flags <<<"$(PKG_CONFIG_PATH=$work/prefix/$libdir/pkgconfig pkg-config --cflags --libs bight-uring)"
  quietly pkg-config "$compiler" -std=c++20 "$consumer/uring_user.cc" "${flags[@]}" \
    "-Wl,-rpath,$work/prefix/$libdir" -o "$work/by_pkg_config"
  quietly pkg-config-run "$work/by_pkg_config"
fi
exit $status
