#!/usr/bin/env bash
# Checks one file of misuses: its good branch compiles, each bad branch does not, and the
# compiler's message says why.
#
# The file starts with one comment a bad branch, numbered from 1, with an extended regular
# expression (grep -E) that the message must contain:
#   // bad 1: deleted function
#   // bad 2: no matching function|constraints not satisfied
# and tells the branches apart by the macro BAD, which is 0 for the good branch:
#   #if BAD == 0
#   ...
#   #elif BAD == 1
# A line `// flags: -Werror=unused-result` adds compiler flags.
#
# Usage: run.sh FILE COMPILER FLAG...
set -u
file=$1
shift
read -r -a extra <<<"$(sed -n 's|^// flags: *||p' "$file" | head -n 1)"
status=0

compile() { LC_ALL=C "$@" -fsyntax-only -fdiagnostics-color=never "${extra[@]}" "$file" 2>&1; }

if ! output=$(compile "$@" -DBAD=0); then
  printf 'FAILED: the good branch of %s does not compile\n%s\n' "$file" "$output"
  status=1
fi

number=0
while IFS= read -r regex; do
  number=$((number + 1))
  if ! grep -q "^// bad $number: " "$file"; then
    printf 'FAILED: %s does not number its bad branches from 1 on\n' "$file"
    exit 1
  fi
  if ! grep -qE "BAD == $number([^0-9]|\$)" "$file"; then
    printf 'FAILED: %s has no branch for BAD == %d\n' "$file" "$number"
    status=1
  elif output=$(compile "$@" -DBAD=$number); then
    printf 'FAILED: bad branch %d of %s compiles\n' "$number" "$file"
    status=1
  elif ! grep -qE -e "$regex" <<<"$output"; then
    printf 'FAILED: the message for bad branch %d of %s lacks "%s"\n%s\n' \
      "$number" "$file" "$regex" "$output"
    status=1
  fi
done < <(sed -nE 's|^// bad [0-9]+: ?||p' "$file")

if [ $number -eq 0 ]; then
  printf 'FAILED: %s names no bad branch\n' "$file"
  status=1
fi
[ $status -eq 0 ] && printf '%d misuses are refused\n' "$number"
exit $status
