#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs cmocka test programs, shows the output of those that fail, ends with "unit: N passed, N failed".
passed=0 failed=0
for t in "$@"; do
    status=0
    out=$("$t" 2>&1) || status=$?
    [ "$status" -eq 0 ] || printf '%s\n' "--- $t" "$out"
    n=$(printf '%s\n' "$out" | grep -c '^\[       OK \]')
    f=$(printf '%s\n' "$out" | grep '^\[  FAILED  \] [a-z]' | sort -u | wc -l)
    # A crash ends the program before cmocka's summary, a leak is reported behind it.
    if [ "$status" -ne 0 ] || ! printf '%s\n' "$out" | grep -q '^\[  PASSED  \]'; then
        [ "$f" -gt 0 ] || f=1
    fi
    passed=$((passed + n)) failed=$((failed + f))
done
printf 'unit: %d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
