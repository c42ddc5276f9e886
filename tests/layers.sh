#!/usr/bin/env bash
# The arrows between the layers point one way: interop -> io -> core, and the core knows no Abseil.
# Usage: layers.sh SOURCE_DIR
set -u
cd "$1" || exit 2
status=0

# forbid WHAT REGEX FILE...: fails if a file has an #include line that matches.
forbid() {
  local what=$1 regex=$2 hits
  shift 2
  [ $# -gt 0 ] || return 0
  if hits=$(grep -nE "^#include [<\"]($regex)" "$@" /dev/null); then
    printf '%s:\n%s\n' "$what" "$hits"
    status=1
  fi
}

shopt -s nullglob globstar
core=(include/bight/*.h include/bight/internal/**/*.h src/*.cc src/*.h)
io=(include/bight/io/**/*.h include/bight/testing/**/*.h src/io/**/*.cc src/io/**/*.h)
forbid "the core includes Abseil" "absl/" "${core[@]}"
forbid "the core includes an upper layer" "bight/(io|testing|interop)/" "${core[@]}"
forbid "io includes an upper layer" "bight/interop/" "${io[@]}"
if [ ${#core[@]} -eq 0 ]; then
  echo "no sources found in $1"
  status=1
fi
exit $status
