#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Pages that are made from the option table are the ones the program makes now; --write brings them there.
set -euo pipefail
cd "$(dirname "$0")/../.."
program=${TIDEGATE_BIN:-./tidegate}
write=${1:-}
[ -x "$program" ] || { echo "stale_docs: no program yet, run 'make' first" >&2; exit 1; }
new=$(mktemp)
trap 'rm -f "$new"' EXIT
stale=0 looked=0

compare() {
    looked=$((looked + 1))
    if ! cmp -s "$1" "$new"; then
        if [ "$write" = --write ]; then
            cat "$new" >"$1"
            echo "$1: written"
        else
            echo "$1: stale; 'make docs' writes it"
            stale=$((stale + 1))
        fi
    fi
}

"$program" config reference >"$new"
compare config/REFERENCE.md
"$program" config schema >"$new"
compare config/tidegate.schema.json
# The options of the manual page stand between two marks.
page=config/tidegate.yaml.5.md
{
    sed '/<!-- begin options/q' "$page"
    echo
    "$program" config man
    echo
    sed -n '/<!-- end options/,$p' "$page"
} >"$new"
compare "$page"
echo "stale_docs: $looked files, $stale problems"
[ "$stale" -eq 0 ]
