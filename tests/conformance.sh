#!/usr/bin/env bash
# Checks that every test that docs/conformance.md names exists: conformance.sh SOURCE_DIR.
set -u
cd "$1" || exit 1
rows=$(grep -cE '^\| (slice|buf|chain)-' docs/conformance.md)
[ "$rows" -gt 300 ] || { echo "only $rows cases in docs/conformance.md"; exit 1; }
known=$(cat tests/*.cc tests/*/*.cc | tr '\n' ' ' |
  grep -oE 'TEST(_F|_P)?\( *[A-Za-z0-9_]+, *[A-Za-z0-9_]+\)' |
  sed -E 's/TEST(_F|_P)?\( *([A-Za-z0-9_]+), *([A-Za-z0-9_]+)\)/\2.\3/' | sort -u)
status=0
while read -r name; do
  grep -qxF "$name" <<<"$known" || { echo "no such test: $name"; status=1; }
done < <(grep -E '^\| (slice|buf|chain)-' docs/conformance.md | awk -F'|' '{print $4}' |
  grep -oE '[A-Z][A-Za-z0-9_]*\.[A-Za-z0-9_]+' | sort -u)
while read -r file; do
  [ -f "tests/$file.cc" ] || { echo "no such file: tests/$file.cc"; status=1; }
done < <(grep -oE 'compile_fail/[a-z_]+' docs/conformance.md | sort -u)
apart=$(grep -cE '^\| [a-z]+-[A-Z0-9a-z]+ \|.*does not apply' docs/conformance.md)
echo "$rows cases, $apart do not apply"
[ "$apart" -le 25 ] || { echo "more than 25 do not apply"; status=1; }
exit $status
