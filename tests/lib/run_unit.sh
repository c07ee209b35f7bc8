#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs cmocka test programs, shows the output of those that fail, ends with "unit: N passed, N failed".
passed=0 failed=0
for t in "$@"; do
    if out=$("$t" 2>&1); then
        :
    else
        printf '%s\n' "--- $t" "$out"
    fi
    n=$(printf '%s\n' "$out" | grep -c '^\[       OK \]')
    f=$(printf '%s\n' "$out" | grep -c '^\[  FAILED  \] [a-z]')
    # A crash or a sanitizer report ends the program before cmocka's summary.
    if ! printf '%s\n' "$out" | grep -q '^\[  PASSED  \]'; then
        [ "$f" -gt 0 ] || f=1
    fi
    passed=$((passed + n)) failed=$((failed + f))
done
printf 'unit: %d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
