#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs every libFuzzer program of a build: first its corpus as it stands, then SECONDS of new inputs.
#   run_fuzz.sh BUILD SECONDS       ends with "fuzz: N passed, N failed"
set -u
build=$1 seconds=$2 passed=0 failed=0
for program in "$build"/tests/fuzz/fuzz_*; do
    [ -x "$program" ] && [ ! -d "$program" ] || continue
    name=${program##*/fuzz_}
    finds=$build/finds/$name
    mkdir -p "$finds"
    corpus=tests/fuzz/corpus/$name
    [ -d "$corpus" ] || corpus=
    log=$build/fuzz_$name.log
    # New inputs go to the first directory; the corpus in the tree is only read.
    # shellcheck disable=SC2086
    if "$program" -artifact_prefix="$finds/" -runs=0 $corpus >"$log" 2>&1 &&
        "$program" -artifact_prefix="$finds/" -timeout=10 -rss_limit_mb=1024 \
            -max_total_time="$seconds" "$finds" $corpus >>"$log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "--- $name"
        tail -n 40 "$log"
    fi
done
echo "fuzz: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
