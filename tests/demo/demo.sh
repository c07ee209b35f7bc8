#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Moves a live database between two throw-away PostgreSQL servers, with a writer that never pauses until
# the fence. Everything it starts ends with it, everything it writes lies in one temporary directory.
#   DEMO_SCALE=20 (pgbench scale)   DEMO_RATE=200 (transactions a second)   DEMO_SECONDS=5 (of streaming)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
tidegate=${TIDEGATE_BIN:-$top/tidegate}
bin=${DEMO_PG_BIN:-/usr/lib/postgresql/15/bin}
scale=${DEMO_SCALE:-20} rate=${DEMO_RATE:-200} seconds=${DEMO_SECONDS:-5}
export PATH=$bin:$PATH
unset "${!PG@}"

if [ -t 1 ]; then bold=$'\e[1m' plain=$'\e[0m' blue=$'\e[36m'; else bold='' plain='' blue=''; fi
began=$(date +%s%N)
say() {
    local ms=$((($(date +%s%N) - began) / 1000000))
    printf '%s%3d.%d s%s  %s\n' "$blue" $((ms / 1000)) $((ms % 1000 / 100)) "$plain" "$*"
}
die() {
    printf 'demo: %s\n' "$*" >&2
    exit 1
}
[ -x "$tidegate" ] || die "no program at '$tidegate'; run 'make' first"
[ -x "$bin/postgres" ] || die "no PostgreSQL 15 in '$bin'; run 'make deps'"

work=$(mktemp -d "${TMPDIR:-/tmp}/tidegate-demo.XXXXXX")
chmod 755 "$work"
# PostgreSQL refuses to run as root.
as_server=()
if [ "$(id -u)" -eq 0 ]; then
    as_server=(runuser -u postgres --)
    id postgres >/dev/null 2>&1 || die "running as root needs the user 'postgres'"
fi

agent='' writer=''
finish() {
    local status=$?
    trap - EXIT
    trap '' INT TERM HUP
    for pid in $agent $writer; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in $agent $writer; do
        for _ in {1..50}; do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
        kill -9 "$pid" 2>/dev/null || true
    done
    for server in source target; do
        if [ -f "$work/$server/data/postmaster.pid" ]; then
            "${as_server[@]}" "$bin/pg_ctl" -D "$work/$server/data" -m immediate -W stop >/dev/null 2>&1 || true
            for _ in {1..50}; do [ -f "$work/$server/data/postmaster.pid" ] || break; sleep 0.1; done
        fi
    done
    if [ "$status" -ne 0 ] && [ -n "${DEMO_KEEP:-}" ]; then
        echo "demo: kept $work" >&2
    else
        rm -rf "$work"
    fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

free_port() { /usr/bin/python3 "$top/tests/e2e/lib/ports.py"; }
make_server() {
    local name=$1 port=$2 dir=$work/$1
    mkdir "$dir"
    [ ${#as_server[@]} -eq 0 ] || chown postgres "$dir"
    (cd "$dir" && "${as_server[@]}" "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 \
        --locale=C.UTF-8 -N >"$work/$name.log" 2>&1) || { cat "$work/$name.log" >&2; die "initdb of the $name failed"; }
    printf '%s\n' "port = $port" "listen_addresses = '127.0.0.1'" "unix_socket_directories = '$dir'" \
        "wal_level = logical" "max_wal_size = 4GB" "shared_buffers = 128MB" |
        "${as_server[@]}" tee -a "$dir/data/postgresql.auto.conf" >/dev/null
    (cd "$dir" && "${as_server[@]}" "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w start >/dev/null) ||
        { cat "$dir/log" >&2; die "the $name did not start"; }
    psql -X -q -d "postgresql://postgres@127.0.0.1:$port/postgres" -c "create database demo"
}

source_port=$(free_port)
target_port=$(free_port)
while [ "$target_port" = "$source_port" ]; do target_port=$(free_port); done
source_uri=postgresql://postgres@127.0.0.1:$source_port/demo
target_uri=postgresql://postgres@127.0.0.1:$target_port/demo

say "starting two servers: source on port $source_port, target on port $target_port"
make_server source "$source_port" &
first=$!
make_server target "$target_port"
wait "$first" || die "the source did not start"

say "loading the source: pgbench at scale $scale and a schema of every-day types"
"$here/load.sh" "$source_uri" "$scale"
say "the source holds $(psql -X -A -t -d "$source_uri" -c "select pg_size_pretty(pg_database_size('demo'))")"

say "starting a writer: $rate transactions a second, without pause, until the source refuses"
"$here/write.sh" "$source_uri" "$rate" 2 >"$work/writer.log" 2>&1 &
writer=$!
sleep 1
kill -0 "$writer" 2>/dev/null || { cat "$work/writer.log" >&2; die "the writer ended early"; }

say "${bold}tidegate run --source $source_uri --target $target_uri${plain}"
mkdir "$work/agent"
"$tidegate" run --source "$source_uri" --target "$target_uri" --dir "$work/agent" &
agent=$!
control=(--dir "$work/agent")
TIDEGATE_BIN=$tidegate "$here/cutover.sh" "$seconds" "${control[@]}" | tee "$work/cutover.log" ||
    die "the cutover failed"
wait "$agent" || die "the agent ended with $?"
agent=''
wait "$writer" 2>/dev/null || true
writer=''
written=$(sed -n 's/^number of transactions actually processed: //p' "$work/writer.log")
say "the writer made ${written:-?} transactions and was refused by the fence: $(grep -o -m 1 'cannot execute .* in a read-only transaction\|terminating connection due to administrator command\|server closed the connection' "$work/writer.log" | head -n 1)"

say "comparing both sides by SQL (rows, rows on the target, content)"
equal=0
"$here/compare.sh" "$source_uri" "$target_uri" || equal=1
psql -X -q -d "$target_uri" -c "insert into pgbench_history (tid) values (0)" || die "the target refuses writes"
[ "$equal" -eq 0 ] || die "the databases differ"
echo
grep -o 'write downtime: [0-9]* ms' "$work/cutover.log" || die "no write downtime was reported"
say "done: the target is equal and takes writes"
