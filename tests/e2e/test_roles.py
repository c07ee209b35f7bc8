# SPDX-License-Identifier: Apache-2.0
"""Nobody is superuser: what managed services allow, on either side."""
import os

import pytest

from lib import load, paths

SAKILA = os.path.join(paths.DATA, "sakila")


@pytest.fixture
def plain_roles(shared, on_servers):
    """One role, owner of its database on both servers and nothing more; REPLICATION on the source."""
    source, target = shared
    name = "managed"
    for s, attributes in ((source, "login replication"), (target, "login")):
        s.create_role("mover", attributes=attributes)
        s.create_db(name, "mover")
    source.sql("grant pg_signal_backend to mover")
    world = on_servers(source, target, name)
    yield world
    world.close()
    for s in shared:
        s.drop_db(name)
        s.psql("revoke all on parameter session_replication_role from mover", check=False)
        for signature in ORIGIN_FUNCTIONS:
            s.psql(f"revoke all on function {signature} from mover", check=False)
        s.psql("drop owned by mover; drop role mover", check=False)


ORIGIN_FUNCTIONS = (
    "pg_replication_origin_create(text)", "pg_replication_origin_drop(text)",
    "pg_replication_origin_oid(text)", "pg_replication_origin_progress(text, boolean)",
    "pg_replication_origin_session_setup(text)", "pg_replication_origin_session_reset()",
    "pg_replication_origin_session_is_setup()", "pg_replication_origin_session_progress(boolean)",
    "pg_replication_origin_xact_setup(pg_lsn, timestamptz)", "pg_replication_origin_xact_reset()",
    "pg_replication_origin_advance(text, pg_lsn)", "pg_show_replication_origin_status()",
)

SCHEMA = """
create table item (id serial primary key, name text, parent integer references item);
create table keyless (a integer, b text);
create table item_log (id bigserial primary key, item integer);
create function item_logged() returns trigger language plpgsql as
    $$ begin insert into item_log (item) values (new.id); return null; end $$;
create trigger item_logged after insert on item for each row execute function item_logged();
insert into item (name) select 'i' || g from generate_series(1, 300) g;
update item set parent = 1 + id % 50 where id > 100;
insert into keyless select g, 'k' from generate_series(1, 100) g;
"""


def migrate(world):
    load_as_owner(world)
    mover = dict(source_dsn=world.source.uri(world.db, "mover"),
                 target_dsn=world.target.uri(world.db, "mover"))
    agent = world.agent(**mover).start()
    agent.streaming()
    for n in range(5):
        world.source.sql(
            f"insert into item (name, parent) values ('n{n}', 3); update item set name = 'u{n}' where id % 9 = {n};"
            f"update keyless set b = 'u{n}' where a % 10 = {n}; delete from keyless where a = {50 + n};"
            f"delete from item_log where item = {n + 1}", world.db, user="mover")
        agent.status()
    agent.kill()
    world.source.sql("truncate keyless; insert into keyless values (1, 'after')", world.db, user="mover")
    agent.start()
    agent.streaming()
    agent.cutover()
    world.assert_equal()
    return agent


def load_as_owner(world):
    world.source.psql(SCHEMA, world.db, user="mover")
    load.proc.run([paths.pg_tool("pgbench"), "-i", "-q", world.source.uri(world.db, "mover")])


def test_database_owners_without_any_grant(plain_roles):
    """Origins are refused, session_replication_role too: a table holds the progress."""
    migrate(plain_roles)
    left = plain_roles.target.sql("select roname from pg_replication_origin")
    assert left == []


def test_with_origins_and_replica_role_granted(plain_roles):
    for signature in ORIGIN_FUNCTIONS:
        plain_roles.target.sql(f"grant execute on function {signature} to mover", plain_roles.db)
        plain_roles.target.sql(f"grant execute on function {signature} to mover")
    plain_roles.target.sql("grant set on parameter session_replication_role to mover")
    migrate(plain_roles)


def test_check_says_what_to_grant(plain_roles):
    load_as_owner(plain_roles)
    agent = plain_roles.agent(source_dsn=plain_roles.source.uri(plain_roles.db, "mover"),
                              target_dsn=plain_roles.target.uri(plain_roles.db, "mover"))
    done = agent.cmd("check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "session_replication_role" in done.stdout


def test_tables_of_somebody_else_block(plain_roles):
    load_as_owner(plain_roles)
    plain_roles.source.sql("create table foreign_owned (a int primary key)", plain_roles.db)
    agent = plain_roles.agent(source_dsn=plain_roles.source.uri(plain_roles.db, "mover"),
                              target_dsn=plain_roles.target.uri(plain_roles.db, "mover"))
    done = agent.cmd("check")
    assert done.returncode == 1
    assert "foreign_owned" in done.stdout + done.stderr


@pytest.mark.parametrize("more", range(3, 8))
def test_a_cutover_gets_along_with_the_sessions_that_are_left(plain_roles, more):
    """Sessions are opened ahead of the fence; with each of these limits another one is the last that fits."""
    world = plain_roles
    load_as_owner(world)
    mover = dict(source_dsn=world.source.uri(world.db, "mover"), target_dsn=world.target.uri(world.db, "mover"))
    agent = world.agent(**mover).start()
    agent.streaming()
    agent.caught_up()
    now = int(world.source.one("select count(*) from pg_stat_activity where usename = 'mover'"))
    world.source.sql(f"alter role mover connection limit {now + more}")
    agent.cutover()
    world.assert_equal()
