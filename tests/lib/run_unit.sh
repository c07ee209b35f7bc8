#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs cmocka test programs, as many at a time as there are processors, shows the output of those that
# fail, ends with "unit: N passed, N failed".
if [ "$1" = --one ]; then
    status=0
    log=$2/$(printf '%s' "$3" | tr / _)
    "$3" >"$log" 2>&1 || status=$?
    echo "$status" >"$log.status"
    exit 0
fi
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
printf '%s\n' "$@" | xargs -P "$(nproc)" -I '{}' sh "$0" --one "$logs" '{}'
passed=0 failed=0
for t in "$@"; do
    log=$logs/$(printf '%s' "$t" | tr / _)
    status=$(cat "$log.status")
    [ "$status" -eq 0 ] || { printf '%s\n' "--- $t" && cat "$log"; }
    n=$(grep -c '^\[       OK \]' "$log")
    f=$(grep '^\[  FAILED  \] [a-z]' "$log" | sort -u | wc -l)
    # A crash ends the program before cmocka's summary, a leak is reported behind it.
    if [ "$status" -ne 0 ] || ! grep -q '^\[  PASSED  \]' "$log"; then
        [ "$f" -gt 0 ] || f=1
    fi
    passed=$((passed + n)) failed=$((failed + f))
done
printf 'unit: %d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
