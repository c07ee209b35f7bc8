#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Compares two databases table by table and sequence by sequence with SQL alone, without tidegate:
#   compare.sh SOURCE_URI TARGET_URI      exit 1 when they differ
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Every table: rows and the sum of the rows' hashes, which does not depend on their order.
look() {
    psql -X -q -A -t -F ' ' -v ON_ERROR_STOP=1 -d "$1" <<'SQL'
set timezone = 'UTC'; set datestyle = iso; set extra_float_digits = 3;
select format('select %L, count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) from only %s t',
    c.oid::regclass, c.oid::regclass)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema', 'tidegate', 'tidegate_ddl')
order by c.oid::regclass::text \gexec
select format('select %L, last_value, is_called from %s', c.oid::regclass, c.oid::regclass)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'S' and n.nspname not in ('tidegate', 'tidegate_ddl')
order by c.oid::regclass::text \gexec
SQL
}
look "$1" >"$work/source" &
look "$2" >"$work/target"
wait $!

if [ -t 1 ]; then ok=$'\e[32mequal\e[0m' bad=$'\e[31mDIFFERENT\e[0m'; else ok=equal bad=DIFFERENT; fi
awk -v ok="$ok" -v bad="$bad" '
    NR == FNR { rows[$1] = $2; sum[$1] = $3; next }
    { known[$1] = 1; same = ($1 in rows) && rows[$1] == $2 && sum[$1] == $3; different += !same
      printf "  %-32s %12s %12s   %s\n", $1, ($1 in rows) ? rows[$1] : "-", $2, same ? ok : bad }
    END {
        for (name in rows) if (!(name in known)) {
            different++
            printf "  %-32s %12s %12s   %s\n", name, rows[name], "-", bad
        }
        exit different > 0
    }' "$work/source" "$work/target"
