# SPDX-License-Identifier: Apache-2.0
"""What pg_dump knows and streaming does not: objects around the tables."""
import os

from lib import paths
from lib.server import UNFENCED


def test_large_objects(world):
    world.source.sql("create table f (id integer primary key, lo oid);"
                     "insert into f select g, lo_from_bytea(0, decode(repeat(md5(g::text), 20000), 'hex')) "
                     "from generate_series(1, 5) g", world.db)
    agent = world.agent().start()
    agent.streaming()
    agent.cutover()
    world.assert_equal()
    query = "select loid, md5(lo_get(loid)) from (select distinct oid as loid from pg_largeobject_metadata) x order by 1"
    assert world.source.sql(query, world.db) == world.target.sql(query, world.db)


def test_owners_grants_and_settings(world):
    reader, owner = f"reader_{world.db}", f"owner_{world.db}"
    for s in (world.source, world.target):
        s.create_role(reader)
        s.create_role(owner)
    world.source.sql(
        f"create table t (a integer primary key, b text); alter table t owner to {owner};"
        f"grant select (a), update on t to {reader}; create function f() returns int language sql as 'select 1';"
        f"revoke execute on function f() from public; grant execute on function f() to {reader};"
        f"alter default privileges in schema public grant select on tables to {reader}", world.db)
    agent = world.agent().start()
    agent.streaming()
    agent.cutover()
    world.assert_equal()
    for s in (world.source, world.target):
        s.sql(f"drop owned by {reader}, {owner}", world.db, options=UNFENCED)
        s.sql(f"drop role {reader}; drop role {owner}")


def test_owner_and_grants_left_out(world):
    owner = f"only_on_source_{world.db}"
    world.source.create_role(owner)
    world.source.sql(f"create table t (a integer primary key); alter table t owner to {owner};"
                     f"grant select on t to public", world.db)
    agent = world.agent({"schema": {"owner": False, "grants": False}}).start()
    agent.streaming()
    agent.cutover()
    world.assert_equal(owner=False, grants=False)
    assert world.target.one("select pg_get_userbyid(relowner) from pg_class where relname = 't'",
                            world.db) == "postgres"
    world.source.sql(f"drop owned by {owner}", world.db, options=UNFENCED)
    world.source.sql(f"drop role {owner}")


def test_constraints_of_every_kind(world):
    world.source.sql(
        "create extension btree_gist; create table a (id int primary key, v int unique, check (v > 0) not valid);"
        "create table b (id int primary key, a_id int references a deferrable initially deferred,"
        " r int4range, exclude using gist (r with &&));"
        "alter table b add constraint later foreign key (id) references a deferrable initially deferred not valid;"
        "create table c (a int, b int, unique nulls not distinct (a, b));"
        "create unique index on c (a) where b is null; create index on b using brin (id);"
        "insert into a select g, g from generate_series(1, 100) g;"
        "insert into b select g, g, int4range(g, g + 1) from generate_series(1, 100) g", world.db)
    agent = world.agent().start()
    agent.streaming()
    world.source.sql("begin; insert into b values (200, 200, '[200,201)'); insert into a values (200, 200); commit",
                     world.db)
    agent.cutover()
    world.assert_equal()


def test_triggers_rules_and_event_triggers_do_not_fire(world):
    world.source.sql(
        "create table t (a int primary key); create table seen (a int);"
        "create function note() returns trigger language plpgsql as "
        "$$ begin insert into seen values (new.a); return new; end $$;"
        "create trigger note before insert on t for each row execute function note();"
        "create function no_ddl() returns event_trigger language plpgsql as "
        "$$ begin raise exception 'ddl is forbidden'; end $$;"
        "insert into t values (1);"
        "create event trigger no_ddl on ddl_command_start when tag in ('DROP TABLE') execute function no_ddl()",
        world.db)
    agent = world.agent().start()
    agent.streaming()
    world.source.sql("insert into t values (2), (3)", world.db)
    agent.cutover()
    world.assert_equal()
    # And they fire for those who write after the cutover.
    world.target.sql("insert into t values (4)", world.db)
    assert world.target.one("select count(*) from seen", world.db) == "4"


def test_schema_is_there_already(world):
    ddl = "create table t (id int primary key, v text); create table u (id serial primary key)"
    world.source.sql(ddl + "; insert into t select g, 'x' from generate_series(1, 1000) g; "
                     "insert into u select from generate_series(1, 10)", world.db)
    world.target.sql(ddl, world.db)
    agent = world.agent({"schema": {"copy": False}}).start()
    agent.streaming()
    world.source.sql("delete from t where id < 10", world.db)
    agent.cutover()
    world.assert_equal()


def test_database_with_an_odd_name(on_servers, shared):
    name = 'Odd "name" of 100%'.replace('"', "'")
    world = on_servers(shared[0], shared[1], name, create=True)
    try:
        world.script("e2e", "sql", "types.sql")
        agent = world.agent().start()
        agent.streaming()
        agent.cutover()
        world.assert_equal()
    finally:
        world.close()
        for s in shared:
            s.drop_db(name)


def test_sample_database_alone(world):
    for part in ("schema.sql", "data.sql"):
        world.source.script(os.path.join(paths.DATA, "sakila", part), world.db)
    agent = world.agent({"copy": {"jobs": 4}}).start()
    agent.streaming()
    agent.cutover()
    world.assert_equal()
