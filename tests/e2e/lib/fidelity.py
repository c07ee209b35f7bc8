# SPDX-License-Identifier: Apache-2.0
"""Cases of tests/e2e/fidelity: what they say, how they are run, and how two sides are compared.

A case is one SQL file. Lines that begin with `-- word:` structure it (see tests/e2e/fidelity/README.md); the rest is
handed to psql. Every case lives in a schema of its name; cases that need the same surroundings share one migration.
"""
import fnmatch
import glob
import json
import os
import re

from . import paths
from .server import UNFENCED, literal

CASES = os.path.join(paths.TESTS, "e2e", "fidelity")
SECTIONS = ("schema", "rows", "stream", "target", "checks")
HEADERS = ("title", "item", "versions", "expect", "encoding", "target encoding", "settings", "refused", "speed",
           "ignore", "stops", "feed")
_MARK = re.compile(r"^-- ([a-z ]+):\s*(.*?)\s*$")
# The text of a value must not depend on the session, nor on the server's version.
SESSION = ("set datestyle = iso; set intervalstyle = postgres; set timezone = 'UTC'; set extra_float_digits = 3;"
           "set bytea_output = hex; set xmlbinary = base64; set lc_monetary = 'C'; set client_min_messages = error;")


class Case:
    """One file. `blocks[section]` is a list of (session, sql)."""

    def __init__(self, path):
        self.name = os.path.splitext(os.path.basename(path))[0]
        self.head = {}
        self.items, self.findings = [], []
        self.blocks = {section: [] for section in SECTIONS}
        with open(path, encoding="utf-8") as f:
            self._parse(f)
        assert re.fullmatch(r"[a-z][a-z0-9_]*", self.name), f"{self.name}: not a schema's name"
        assert self.head.get("title") and self.items, f"{self.name}: needs a title and an item"
        assert self.blocks["schema"], f"{self.name}: needs a section 'schema'"

    def _parse(self, lines):
        section = session = None
        for number, line in enumerate(lines, 1):
            mark = _MARK.match(line)
            where = f"{self.name}.sql:{number}"
            if mark and mark[1] == "section":
                assert mark[2] in SECTIONS, f"{where}: no section '{mark[2]}'"
                section, session = mark[2], "main"
                self.blocks[section].append((session, ""))
            elif mark and mark[1] == "in":
                assert section == "stream", f"{where}: sessions are for section 'stream'"
                session = mark[2]
                self.blocks[section].append((session, ""))
            elif mark and mark[1] in HEADERS:
                assert section is None, f"{where}: '{mark[1]}' stands before the sections"
                self._header(mark[1], mark[2])
            elif section is None:
                assert line.startswith("--") or not line.strip(), f"{where}: SQL before the first section"
            else:
                session, sql = self.blocks[section][-1]
                self.blocks[section][-1] = (session, sql + line)

    def _header(self, word, value):
        if word == "item":
            self.items += value.split()
        elif word == "expect":
            kind, finding = value.split()
            assert kind == "finding", f"{self.name}: expect finding ID"
            self.findings.append(finding)
        else:
            self.head[word] = value

    def sql(self, section):
        return "".join(sql for _, sql in self.blocks[section])

    def runs_on(self, source, target):
        """`versions: 17+`, `14-17` speak of both servers; `source 18+` of one."""
        said = self.head.get("versions", "14+")
        side, _, span = said.rpartition(" ")
        low, dash, high = span.partition("-") if "-" in span else (span.rstrip("+"), "", "")
        majors = {"": (source, target), "source": (source,), "target": (target,)}[side]
        top = int(high) if dash else (int(low) if not span.endswith("+") else 99)
        return all(int(low) <= major <= top for major in majors)

    def group(self):
        """Cases with the same key share a migration."""
        if "refused" in self.head or "stops" in self.head:
            return self.name
        parts = []
        if self.blocks["target"]:
            parts.append("prepared")
        if "encoding" in self.head:
            parts.append(self.head["encoding"].lower() + "_to_" + self.head.get("target encoding", "UTF8").lower())
        if "settings" in self.head:
            parts.append(re.sub(r"[^a-z0-9]+", "_", self.head["settings"].lower()).strip("_"))
        if "feed" in self.head:
            parts.append(self.head["feed"])
        if "speed" in self.head:
            parts.append(self.name)
        return "-".join(parts) or "main"


def load():
    """All cases, or those that TIDEGATE_CASE (a pattern) names."""
    wanted = os.environ.get("TIDEGATE_CASE", "*")
    return [Case(p) for p in sorted(glob.glob(os.path.join(CASES, "*.sql")))
            if fnmatch.fnmatch(os.path.basename(p)[:-4], wanted)]


# --- running ----------------------------------------------------------------------------------------


def _in_schema(case, sql):
    encoding = "SQL_ASCII" if case.head.get("encoding") == "SQL_ASCII" else "UTF8"
    return f"{SESSION}set client_encoding = '{encoding}'; set check_function_bodies = on; set search_path = {case.name}, public;\n{sql}"


def create_database(server, db, encoding=None):
    clause = f" template template0 encoding '{encoding}' lc_collate 'C' lc_ctype 'C'" if encoding else ""
    server.sql(f'create database "{db}"{clause}')


def create(server, db, case, sections):
    """The case's schema, and what these sections make in it."""
    body = "".join(case.sql(section) for section in sections)
    server.psql(f"create schema if not exists {case.name};\n" + _in_schema(case, body), db)


def empty(server, db, case):
    """What `schema` put into tables, for an old row in a table that changed: the target begins without."""
    server.psql(
        "do $$ declare t text; begin for t in select format('%I.%I', n.nspname, c.relname) from pg_class c"
        f" join pg_namespace n on n.oid = c.relnamespace where n.nspname = {literal(case.name)} and c.relkind = 'r'"
        " loop execute 'truncate ' || t || ' cascade'; end loop; end $$", db)


class Sessions:
    """Named psql sessions of one case: blocks run one after the other, transactions may stay open."""

    def __init__(self, server, db, case):
        self.server, self.db, self.case = server, db, case
        self.open = {}
        self.done = 0

    def run(self, name, sql):
        fresh = name not in self.open
        if fresh:
            self.open[name] = self.server.session(self.db)
        session = self.open[name]
        self.done += 1
        try:
            session.stdin.write((_in_schema(self.case, sql) if fresh else sql) + f"\n\\echo done {self.done}\n")
            session.stdin.flush()
        except BrokenPipeError:
            pass
        heard = []
        for line in session.stdout:
            if line.strip() == f"done {self.done}":
                return
            heard.append(line)
        raise RuntimeError(f"case {self.case.name}, session {name}: {''.join(heard)[-2000:]}")

    def close(self):
        for session in self.open.values():
            session.stdin.close()
            session.wait(60)


def stream(server, db, case):
    sessions = Sessions(server, db, case)
    try:
        for name, sql in case.blocks["stream"]:
            if sql.strip():
                sessions.run(name, sql)
    finally:
        sessions.close()


# --- comparing --------------------------------------------------------------------------------------

# Columns with the function that gives their binary form, where that form means the same on both sides: built-in
# types that name no objects, and arrays of such.
_COLUMNS = """
select json_build_array(n.nspname, c.relname, c.relkind, c.relpersistence, a.attname,
  case when t.oid < 10000 and t.typelem < 10000 and t.typsend <> 0 and t.typtype <> 'p'
    and t.typname !~ '^_?(reg.*|xml)$' then t.typsend::text end)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
left join pg_type t on t.oid = a.atttypid
where c.relkind in ('r', 'p', 'm', 'v') and c.relispopulated and c.relpersistence <> 't' and n.nspname = any (array[{schemas}]::name[])
order by n.nspname, c.relname, a.attname collate "C"
"""


def _ident(name):
    return '"' + name.replace('"', '""') + '"'


class Side:
    """One database; `bytes_only` where its text has no encoding."""

    def __init__(self, server, db, bytes_only):
        self.server, self.db = server, db
        self.encoding = "SQL_ASCII" if bytes_only else "UTF8"

    def rows(self, sql):
        """One JSON value a line: nothing in a value can be taken for a separator."""
        head = SESSION + f"set client_encoding = '{self.encoding}';"
        out = self.server.psql(head + sql, self.db, timeout=300, options=UNFENCED).stdout
        return [json.loads(line) for line in out.splitlines() if line]

    def tables(self, schemas):
        """{(schema, table): {kind, persistence, columns: [(name, send)]}}"""
        found = {}
        listed = self.rows(_COLUMNS.format(schemas=",".join(literal(s) for s in schemas)))
        for schema, table, kind, persistence, column, send in listed:
            t = found.setdefault((schema, table), {"kind": kind, "persistence": persistence, "columns": []})
            if column is not None:
                t["columns"].append((column, send))
        return found

    def contents(self, tables):
        """{(schema, table): sorted rows}; a row: its beginning, what all of its text and its binary values hash to."""
        parts = []
        for (schema, table), t in tables.items():
            text = "row(" + ", ".join("t." + _ident(c) for c, _ in t["columns"]) + ")::text"
            exact = ", ".join(f"{send}(t.{_ident(c)})" for c, send in t["columns"] if send)
            parts.append(
                f"select json_build_array({literal(schema)}, {literal(table)},"
                f" encode(convert_to(left({text}, 400), '{self.encoding}'), 'escape'),"
                f" md5(convert_to({text}, '{self.encoding}')), md5(row({exact})::text))"
                f" from {t['only']}{_ident(schema)}.{_ident(table)} t;")
        out = {key: [] for key in tables}
        for schema, table, *row in self.rows("\n".join(parts)):
            out[(schema, table)].append(tuple(row))
        return {key: sorted(rows) for key, rows in out.items()}

    def checks(self, case):
        sql = case.sql("checks")
        head = f"set client_encoding = '{self.encoding}';" + _in_schema(case, sql)
        return self.server.psql(head, self.db, options=UNFENCED).stdout if sql.strip() else ""


def differences(source, target, cases, when):
    """{case: [lines]} of what is not the same on both sides. Unlogged tables are carried by the copy alone, and
    materialized views hold what they held until the cutover refreshes them."""
    out = {}
    names = [c.name for c in cases]
    ignored = {(c.name, t) for c in cases for t in c.head.get("ignore", "").split()}
    wanted = {key: t for key, t in source.tables(names).items()
              if key not in ignored and not (when != "copy" and t["persistence"] == "u")}
    there = target.tables(names)
    for side in (wanted, there):  # either may be partitioned where the other is not
        for key, t in side.items():
            t["only"] = "only " if t["kind"] == "r" else ""
    both = {key: dict(t, columns=[(c, send if dict(there[key]["columns"]).get(c) == send else None)
                                  for c, send in t["columns"]])
            for key, t in wanted.items() if key in there}
    for schema, table in wanted.keys() - both.keys():
        out.setdefault(schema, []).append(f"{when}: table {table} is not on the target")
    a = source.contents(both)
    b = target.contents({key: dict(t, only=there[key]["only"]) for key, t in both.items()})
    for schema, table in both:
        left, right = a[(schema, table)], b[(schema, table)]
        if left == right:
            continue
        lines = out.setdefault(schema, [])
        lines.append(f"{when}: table {table}: {len(left)} rows at the source, {len(right)} on the target")
        lines += [f"  source only: {row[0]}" for row in _without(left, right)[:5]]
        lines += [f"  target only: {row[0]}" for row in _without(right, left)[:5]]
    for case in cases:
        if when != "copy" and source.checks(case) != target.checks(case):
            out.setdefault(case.name, []).append(
                f"{when}: checks give\n{source.checks(case)}at the source, and\n{target.checks(case)}on the target")
    return out


def _without(rows, others):
    left = list(others)
    out = []
    for row in rows:
        if row in left:
            left.remove(row)
        else:
            out.append(row)
    return out
