# SPDX-License-Identifier: Apache-2.0
"""Are two databases equal? Answered by SQL and pg_dump alone, never by the program under test."""
import difflib
import re

from . import paths, proc

# Leaf relations by name; rows are hashed as text, the sum does not depend on their order.
_TABLES = """
select format('%I.%I', n.nspname, c.relname)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and c.relpersistence <> 't'
  and n.nspname not in ('pg_catalog', 'information_schema', 'tidegate', 'tidegate_ddl')
  and n.nspname !~ '^pg_toast'
order by 1
"""
_SEQUENCES = """
select format('%I.%I', n.nspname, c.relname)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'S' and n.nspname <> 'tidegate'
order by 1
"""
# The text of a value must not depend on the session or on the major version.
_SESSION = (
    "set datestyle = iso; set intervalstyle = iso_8601; set timezone = 'UTC';"
    "set extra_float_digits = 3; set bytea_output = hex;"
)


def tables(server, db):
    return [r[0] for r in server.sql(_TABLES, db)]


def contents(server, db, only=None):
    """{table: (rows, hash)}"""
    names = [t for t in tables(server, db) if only is None or t in only]
    if not names:
        return {}
    query = " union all ".join(
        "select '{0}', count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) "
        "from only {1} t".format(n.replace("'", "''"), n) for n in names)
    return {r[0]: (int(r[1]), r[2]) for r in server.sql(_SESSION + query, db, timeout=300)}


def sequences(server, db):
    """{sequence: (last_value, is_called)}"""
    names = [r[0] for r in server.sql(_SEQUENCES, db)]
    if not names:
        return {}
    query = " union all ".join(
        "select '{0}', last_value, is_called from {1}".format(n.replace("'", "''"), n) for n in names)
    return {r[0]: (r[1], r[2]) for r in server.sql(query, db)}


def schema(server, db, owner=True, grants=True):
    """Normalised lines of pg_dump --schema-only."""
    argv = [paths.pg_tool("pg_dump"), "--schema-only", "--exclude-schema=tidegate", "--exclude-schema=tidegate_ddl",
            "--no-publications", "--no-subscriptions"]
    argv += [] if owner else ["--no-owner"]
    argv += [] if grants else ["--no-privileges"]
    out = proc.run(argv + ["-d", server.uri(db)]).stdout
    # Event triggers of our own are on the source until cleanup.
    out = re.sub(r"(CREATE|ALTER) EVENT TRIGGER tidegate_ddl[^;]*;", "", out)
    keep = []
    for line in out.splitlines():
        if not line.strip() or line.startswith("--") or line.startswith("\\"):
            continue
        if re.match(r"SET |SELECT pg_catalog.set_config", line):
            continue
        # Rights on the server's own functions are the server's, not the database's.
        if re.match(r"(GRANT|REVOKE) .* ON FUNCTION pg_catalog\.", line):
            continue
        # Tables without a key are FULL on the source until cleanup; identities() compares that.
        if line.endswith(("REPLICA IDENTITY FULL;", "REPLICA IDENTITY NOTHING;")):
            continue
        keep.append(line.rstrip())
    return keep


def identities(server, db):
    """{table: replica identity}"""
    query = ("select oid::regclass, relreplident from pg_class where relkind in ('r', 'p') "
             "and relnamespace not in (select oid from pg_namespace where nspname ~ '^(pg_|tidegate|information_schema)')")
    return dict(server.sql(query, db))


def differences(source, source_db, target, target_db, with_sequences=True, with_schema=True,
                owner=True, grants=True):
    """List of lines, empty when the databases are equal."""
    out = []
    a, b = contents(source, source_db), contents(target, target_db)
    for name in sorted(a.keys() | b.keys()):
        if a.get(name) != b.get(name):
            out.append(f"table {name}: source {a.get(name)} target {b.get(name)}")
    if with_sequences:
        a, b = sequences(source, source_db), sequences(target, target_db)
        for name in sorted(a.keys() | b.keys()):
            if a.get(name) != b.get(name):
                out.append(f"sequence {name}: source {a.get(name)} target {b.get(name)}")
    if with_schema:
        a = schema(source, source_db, owner, grants)
        b = schema(target, target_db, owner, grants)
        # Order within a dump follows dependencies and object ids, so it is compared as a bag.
        diff = difflib.unified_diff(sorted(a), sorted(b), "source", "target", lineterm="", n=0)
        out += [f"schema {line}" for line in diff if not line.startswith(("---", "+++", "@@"))]
    return out


def assert_equal(source, source_db, target, target_db, **kwargs):
    diff = differences(source, source_db, target, target_db, **kwargs)
    assert not diff, "databases differ:\n  " + "\n  ".join(diff[:60])
