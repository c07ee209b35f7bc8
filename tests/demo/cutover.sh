#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Waits until the agent streams, lets it stream for a while, cuts over:
#   cutover.sh SECONDS [OPTIONS of tidegate that say which agent]      TIDEGATE_BIN names the program
set -euo pipefail
tidegate=${TIDEGATE_BIN:-tidegate}
seconds=$1
shift

# An agent that has just been started does not answer yet: exit code 4.
status=4
for _ in {1..150}; do
    status=0
    "$tidegate" wait "$@" --phase streaming --timeout 300s 2>/dev/null || status=$?
    [ "$status" -eq 4 ] || break
    sleep 0.1
done
[ "$status" -eq 0 ] || { echo "streaming was not reached: tidegate wait ended with $status" >&2; exit 1; }
echo "the copy is done and what was written meanwhile is there; streaming for $seconds seconds"
sleep "$seconds"
"$tidegate" status "$@"
echo
exec "$tidegate" cutover "$@"
