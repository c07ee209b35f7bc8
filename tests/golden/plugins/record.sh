#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Records the feeds of scenario.sql from a throw-away server: pgNN-wal2json.hex (where the server has it) and
# pgNN-test_decoding.hex. A line is "T" and the description of a table, or the position of a message and its bytes.
# Usage: record.sh BINDIR, as a user that may run PostgreSQL. The *.expected files are written by
# GOLDEN_WRITE=1 build/.../plugin_golden_test, to be read through before they are kept.
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
    psql -X -q -At -v ON_ERROR_STOP=1 -h "$tmp" -U postgres "$@"
}
# As agent/source/feed_tables.c describes a table.
tables() {
    sql -c "SELECT 'T ' || json_build_object('oid', c.oid::bigint, 'schema', n.nspname, 'table', c.relname,
        'identity', c.relreplident, 'columns', coalesce((SELECT json_agg(json_build_object('name', a.attname,
        'typeoid', a.atttypid::bigint, 'typmod', a.atttypmod, 'generated', a.attgenerated <> '',
        'key', c.relreplident = 'f' OR EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid
            AND CASE c.relreplident WHEN 'd' THEN i.indisprimary ELSE i.indisreplident END
            AND a.attnum = ANY (i.indkey::int2[]))) ORDER BY a.attnum)
        FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]'))
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND c.oid >= 16384 ORDER BY c.oid"
}
record() { # plugin options...
    plugin=$1
    shift
    echo "# $plugin, PostgreSQL $version, recorded by record.sh: $*"
    tables
    sql -c "SET extra_float_digits = 3" -c "SET search_path = ''" -c "SELECT lsn || ' ' || encode(data, 'hex')
        FROM pg_logical_slot_get_binary_changes('golden_$plugin', NULL, NULL$(printf ", '%s'" "$@"))"
}
slot() {
    sql -c "SELECT pg_create_logical_replication_slot('golden_$1', '$1')" >/dev/null
}
wal2json=$(test -e "$("$bin/pg_config" --pkglibdir 2>/dev/null || echo "$bin/../lib")/wal2json.so" && echo yes || echo no)
sql -v setup=true -f "$here/../pgoutput/scenario.sql"
[ "$wal2json" = no ] || slot wal2json
slot test_decoding
sql -v setup=false -f "$here/../pgoutput/scenario.sql" >/dev/null
[ "$wal2json" = no ] || record wal2json format-version 2 include-lsn true include-xids true include-timestamp true \
    include-types false include-type-oids true >"$out/pg$version-wal2json.hex"
record test_decoding include-timestamp true >"$out/pg$version-test_decoding.hex"
