#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Records the feeds of scenario.sql from a throw-away server: pgNN-text.hex and pgNN-binary.hex, one message
# a line. Usage: record.sh BINDIR [NN], as a user that may run PostgreSQL. The *.expected files beside them
# are the canonical text of tests/unit/decoders/golden_test.c; GOLDEN_WRITE=1 makes that test write them, to be
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
sql -v setup=true -f "$here/scenario.sql"
for form in text binary; do
    sql -At -c "SELECT pg_create_logical_replication_slot('golden_$form', 'pgoutput')" >/dev/null
done
sql -v setup=false -f "$here/scenario.sql" >/dev/null
for form in text binary; do
    [ $form = binary ] && flag=true || flag=false
    {
        echo "# pgoutput, PostgreSQL $version, protocol 1, values as $form, recorded by record.sh"
        sql -At -c "SET extra_float_digits = 3" -c "SELECT encode(data, 'hex') FROM pg_logical_slot_get_binary_changes('golden_$form', NULL, NULL,
            'proto_version', '1', 'publication_names', 'golden', 'binary', '$flag', 'messages', 'true')"
    } >"$out/pg$version-$form.hex"
done
