#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs every check of the tree, all of them even when one fails, and ends with "lint: N passed, N failed".
#   run.sh            everything      run.sh fast       without cppcheck and clang-tidy
set -u
cd "$(dirname "$0")/../.." || exit 2
passed=0 failed=0
check() {
    local name=$1 out
    shift
    if out=$("$@" 2>&1); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf -- '--- %s\n%s\n' "$name" "$out"
    fi
}
format() { find agent decoders sinks config tests -name '*.[ch]' -print0 | xargs -0 clang-format --dry-run -Werror; }
packages=(libpq yaml-0.1 sqlite3 libmicrohttpd libcurl jansson libxxhash libcrypto libzstd)
run_cppcheck() {
    cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr -j 2 \
        --suppressions-list=tests/lint/cppcheck.txt --error-exitcode=1 -I . -D_GNU_SOURCE \
        '-DTIDEGATE_VERSION="lint"' agent decoders sinks config
}
run_tidy() {
    local found
    mkdir -p build/lint
    # shellcheck disable=SC2046
    printf '%s\n' -std=gnu17 -D_GNU_SOURCE "-I$PWD" '-DTIDEGATE_VERSION="lint"' -DHASH_NONFATAL_OOM=0 \
        -include "$PWD/agent/base/banned.h" ${WARN_CLANG:-} \
        $(pkg-config --cflags "${packages[@]}") >build/lint/compile_flags.txt
    found=$(find agent decoders sinks config -name '*.c' -print0 | xargs -0 -P "$(nproc)" -n 4 \
        clang-tidy --quiet -p build/lint --config-file=tests/lint/clang-tidy.yaml 2>&1 |
        grep -E '(warning|error):' | sed "s|^$PWD/||" | sort -u)
    printf '%s\n' "$found"
    [ -z "$found" ]
}
python() { PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$@"; }
check selftest tests/lint/selftest.sh
check includes python tests/lint/includes.py
check budgets python tests/lint/budgets.py
check comments python tests/lint/comments.py
check text python tests/lint/text.py
check format format
check stale_docs tests/lint/stale_docs.sh
check shell sh -c 'for f in tests/lib/*.sh tests/e2e/run.sh tests/demo/*.sh tests/lint/*.sh docker/*.sh .ci/run; do [ ! -e "$f" ] || bash -n "$f" || exit 1; done'
if [ "${1:-}" != fast ]; then
    check cppcheck run_cppcheck
    check clang-tidy run_tidy
fi
echo "lint: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
