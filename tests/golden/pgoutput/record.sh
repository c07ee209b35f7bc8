#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Records the feeds of scenario.sql from a throw-away server: pgNN-text.hex and pgNN-binary.hex, one message
# a line; and pgNN-stream.hex, that of stream.sql with transactions sent before they end. Usage: [ONLY=stream] record.sh BINDIR, as a user that may run PostgreSQL. The *.expected files beside them
# are the canonical text of tests/unit/decoders/pgoutput_golden_test.c; GOLDEN_WRITE=1 makes that test write them, to be
# read through before they are kept.
set -eu
bin=$1
here=$(cd "$(dirname "$0")" && pwd)
out=${OUT:-$here}
tmp=$(mktemp -d)
trap '"$bin/pg_ctl" -D "$tmp/data" -m immediate stop >/dev/null 2>&1 || :; rm -rf "$tmp"' EXIT
"$bin/initdb" -D "$tmp/data" -U postgres -A trust -E UTF8 --locale=C >/dev/null
"$bin/pg_ctl" -D "$tmp/data" -w -l "$tmp/log" \
    -o "-c listen_addresses='' -c unix_socket_directories='$tmp' -c wal_level=logical -c timezone=UTC" start >/dev/null
version=$("$bin/postgres" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
sql() {
    psql -X -q -v ON_ERROR_STOP=1 -h "$tmp" -U postgres "$@"
}
case $version in 14) protocol=2 ;; 15) protocol=3 ;; *) protocol=4 ;; esac
record() { # form slot publication options...
    shape=$1 slot=$2 publication=$3
    shift 3
    echo "# pgoutput, PostgreSQL $version, values as $shape, recorded by record.sh: $*"
    sql -At -c "SET extra_float_digits = 3" -c "SET logical_decoding_work_mem = '64kB'" -c "SELECT encode(data, 'hex')
        FROM pg_logical_slot_get_binary_changes('$slot', NULL, NULL, 'publication_names', '$publication',
        'messages', 'true'$(printf ", '%s'" "$@"))"
}
slot() {
    sql -At -c "SELECT pg_create_logical_replication_slot('$1', 'pgoutput')" >/dev/null
}
if [ "${ONLY:-}" != stream ]; then
    sql -v setup=true -f "$here/scenario.sql"
    slot golden_text
    slot golden_binary
    sql -v setup=false -f "$here/scenario.sql" >/dev/null
    record text golden_text golden proto_version 1 binary false >"$out/pg$version-text.hex"
    record binary golden_binary golden proto_version 1 binary true >"$out/pg$version-binary.hex"
fi
sql -v setup=true -f "$here/stream.sql"
slot golden_stream
sql -v setup=false -f "$here/stream.sql" >/dev/null
record text golden_stream golden_stream proto_version $protocol binary false streaming on >"$out/pg$version-stream.hex"
