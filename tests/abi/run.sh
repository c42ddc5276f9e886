#!/usr/bin/env bash
# Link-failure test of the configuration symbol: a translation unit that was compiled with the
# other kind of count must not link with this library, and the linker must name the symbol.
# Usage: run.sh "COMPILER FLAGS" CONFIG_DIR OTHER_CONFIG_DIR LIBRARY WORK_DIR
set -u
read -r -a compiler <<<"$1"
right=$2 other=$3 library=$4 work=$5
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
rm -rf "$work"
mkdir -p "$work" && cd "$work" || exit 2
library_dir=$(dirname "$library")
status=0

fail() {
  printf 'FAILED: %s\n' "$*"
  status=1
}

# The name that the given config.h declares.
symbol_of() { "${compiler[@]}" -E -P -I"$1" "$here/consumer.cc" | grep -oE 'bight_abi_[a-z0-9_]+' | head -n 1; }
right_symbol=$(symbol_of "$right")
other_symbol=$(symbol_of "$other")
[ -n "$right_symbol" ] && [ -n "$other_symbol" ] && [ "$right_symbol" != "$other_symbol" ] ||
  fail "the two configurations name '$right_symbol' and '$other_symbol'"

for flags in "-O0" "-O2" "-O2 -ffunction-sections -fdata-sections -Wl,--gc-sections"; do
  read -r -a opt <<<"$flags"
  rm -f ./*.o
  "${compiler[@]}" "${opt[@]}" -DBIGHT_TEST_MAIN -I"$right" -c "$here/consumer.cc" -o main_right.o &&
    "${compiler[@]}" "${opt[@]}" -DBIGHT_TEST_MAIN -I"$other" -c "$here/consumer.cc" -o main_other.o &&
    "${compiler[@]}" "${opt[@]}" -I"$right" -c "$here/consumer.cc" -o part_right.o &&
    "${compiler[@]}" "${opt[@]}" -I"$other" -c "$here/consumer.cc" -o part_other.o ||
    fail "compiling with $flags"

  # links NAME OBJECT...: the link's output goes to NAME.log.
  links() {
    local name=$1
    shift
    LC_ALL=C "${compiler[@]}" "${opt[@]}" "$@" "$library" -Wl,-rpath,"$library_dir" -o "$name" >"$name.log" 2>&1
  }
  links same main_right.o part_right.o || fail "the same configuration does not link with $flags: $(cat same.log)"
  ./same || fail "the program with the same configuration does not run"
  for mixed in "main_other.o part_other.o" "main_right.o part_other.o" "main_other.o part_right.o"; do
    read -r -a objects <<<"$mixed"
    if links mixed "${objects[@]}"; then
      fail "$mixed links with $flags although the library was built with the other configuration"
    elif ! grep -q "$other_symbol" mixed.log; then
      fail "the linker does not name $other_symbol with $flags: $(cat mixed.log)"
    fi
  done
done
[ $status -eq 0 ] && echo "mixed configurations do not link: undefined $other_symbol, defined $right_symbol"
exit $status
