# SPDX-License-Identifier: Apache-2.0
"""What belongs to a database beside its rows. After the cutover pg_dump of both sides differs in nothing but what
sql/globals_differences.txt names; adding a case is adding to sql/globals.sql."""
import difflib
import os
import re

import pytest

from lib import compare, paths, proc


def allowed():
    with open(os.path.join(paths.SQL, "globals_differences.txt")) as f:
        return [(line[0], re.compile(line[2:].rstrip("\n") + r"\Z")) for line in f
                if line.strip() and not line.startswith("#")]


def dump(server, db):
    """Every statement of the schema as one line, in order of their text."""
    out = proc.run([paths.pg_tool("pg_dump"), "--schema-only", "--create", "--exclude-schema=tidegate",
                    "--exclude-schema=tidegate_ddl", "-d",
                    server.uri(db)]).stdout
    # What captures DDL at the source, until cleanup.
    out = re.sub(r"^(CREATE|ALTER) EVENT TRIGGER tidegate_ddl_.*?;$", "", out, flags=re.M | re.S)
    lines = [line for line in out.splitlines() if line.strip() and not line.startswith(("--", "\\", "SET ", "SELECT pg_catalog.set_config("))]
    # Keyless tables are FULL on the source until cleanup.
    return sorted(line.rstrip() for line in lines if not re.search(r"REPLICA IDENTITY (FULL|NOTHING);$", line))


def differences(a, b):
    out = []
    for line in difflib.unified_diff(a, b, lineterm="", n=0):
        sign, text = line[0], line[1:]
        if line.startswith(("---", "+++", "@@")):
            continue
        if not any(sign == s and pattern.match(text) for s, pattern in allowed()):
            out.append(line)
    return out


def test_nothing_of_the_schema_differs(world):
    world.script("e2e", "sql", "globals.sql")
    agent = world.agent().start()
    agent.streaming()
    world.source.sql("insert into base (n, txt) values (60, 'later'); update refers set b = 2 where a = 2;"
                     "update fast set a = a", world.db)
    agent.cutover()
    diff = differences(dump(world.source, world.db), dump(world.target, world.db))
    assert not diff, "\n".join(diff)
    a, b = compare.contents(world.source, world.db), compare.contents(world.target, world.db)
    assert a == b


@pytest.fixture
def two(own_world):
    return own_world()


def role_lines(server, prefix):
    out = proc.run([paths.pg_tool("pg_dumpall"), "--globals-only", "-d", server.uri("postgres")]).stdout
    return sorted(line for line in out.splitlines() if prefix in line)


def fill(world, prefix="r_"):
    with open(os.path.join(paths.SQL, "roles.sql")) as f:
        world.source.psql(f.read().replace("{R}", prefix).replace("{DB}", world.db), world.db)


def test_roles_with_everything(two):
    fill(two)
    two.target.sql("create role r_there nologin")
    agent = two.agent({"schema": {"roles": "with_passwords", "subscriptions": "disabled"}}).start()
    agent.streaming()
    agent.kill()
    agent.start()
    agent.streaming()
    agent.cutover()
    a, b = role_lines(two.source, "r_"), role_lines(two.target, "r_")
    diff = [line for line in difflib.unified_diff(a, b, lineterm="", n=0) if not line.startswith(("---", "+++", "@@"))]
    # What it had stays; what nobody needs is not made; a superuser is not made.
    assert len(diff) == 6, "\n".join(diff)
    assert any("-CREATE ROLE r_unrelated" in line for line in diff)
    assert any(line.startswith("-ALTER ROLE r_boss WITH SUPERUSER") for line in diff)
    assert any(line.startswith("+ALTER ROLE r_boss WITH NOSUPERUSER") for line in diff)
    assert any(line.startswith("+ALTER ROLE r_there WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB NOLOGIN") for line in diff)
    assert not differences(dump(two.source, two.db), dump(two.target, two.db))
    assert two.target.one("select count(*) from pg_subscription where subname = 'sub' and not subenabled "
                          "and subslotname is null and subbinary") == "1"
    log = agent.err()
    assert "SCRAM-SHA-256" not in log and "sec_ret" not in log
    assert "left out: attribute SUPERUSER of role r_boss" in log, log
    assert "r_there" in log
    secret = two.source.one("select rolpassword from pg_authid where rolname = 'r_owner'")
    assert secret == two.target.one("select rolpassword from pg_authid where rolname = 'r_owner'")
    for root, _, files in os.walk(agent.dir):
        for name in files:
            with open(os.path.join(root, name), "rb") as f:
                assert secret.encode() not in f.read(), name
    with open(two.target.log, errors="replace") as f:
        assert secret not in f.read()
