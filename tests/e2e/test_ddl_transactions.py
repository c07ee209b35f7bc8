# SPDX-License-Identifier: Apache-2.0
"""DDL in transactions that are streamed while they are open, and in prepared ones."""
import pytest

from lib.proc import until
from test_ddl import began

SMALL_MEMORY = {"logical_decoding_work_mem": "64kB"}
NAMES = "select coalesce(string_agg(gid, ' ' order by gid), '') from pg_prepared_xacts where database = current_database()"


def rows(table, first, last):
    return f"insert into {table} (id, v) select g, md5(g::text) from generate_series({first}, {last}) g"


def began_whole(world):
    """With the slot as it stays: the connection begins anew for two-phase commit, and what was open then is not streamed."""
    agent = began(world)
    slot = ("select two_phase and active from pg_replication_slots "
            f"where slot_name = 'tidegate_{agent.name}'")
    until(lambda: world.source.one(slot, world.db) == "t", 20, "a slot with two-phase commit")
    return agent


def settled(agent):
    """Also copies that a statement asked for."""
    agent.caught_up()
    until(lambda: not any(k["tables_stopped_total"] for k in agent.status()["sinks"]), 60, "copies that were asked for")
    agent.caught_up()


def more(session, *statements):
    for statement in (*statements, "select 'more'"):
        session.stdin.write(statement + ";\n")
    session.stdin.flush()
    while session.stdout.readline().strip() != "more":
        assert session.poll() is None, "the session ended too early"


def streamed(world):
    """What is open at the source was sent as far as it got."""
    end = world.source.one("select pg_current_wal_insert_lsn()", world.db)
    sent = f"select coalesce(bool_or(sent_lsn >= '{end}'), false) from pg_stat_replication"
    until(lambda: world.source.one(sent, world.db) == "t", 30, "the source's sender")
    bytes_streamed = "select coalesce(sum(stream_bytes), 0) > 0 from pg_stat_replication_slots"
    until(lambda: world.source.one(bytes_streamed, world.db) == "t", 30, "statistics of the slot")


def finish(session, statement):
    session.stdin.write(statement + ";\n")
    session.stdin.close()
    assert session.wait(60) == 0


def test_ddl_in_a_streamed_transaction(own_world):
    """In front of, between and behind its rows; what a savepoint took back is not executed, nor what was rolled back."""
    world = own_world(source={"options": SMALL_MEMORY})
    agent = began(world, {"source": {"two_phase": "off"}})
    session = world.hold(world.source, "begin")
    more(session, "create table made (id int primary key, v text)", rows("made", 1, 2000), rows("old", 1001, 3000),
         "alter table old add column n int default 7", "insert into old values (900, 'next', 1)",
         "update old set v = 'n', n = id where id % 3 = 0")
    streamed(world)
    more(session, "savepoint a", "create table void (id int primary key, v text)", rows("void", 1, 2000),
         "create table void_too (id int)", "alter table made add column void int default 5", rows("made", 90000, 92000))
    streamed(world)
    more(session, "rollback to a", "savepoint b", "alter table made add column w text default 'w'", rows("made", 3001, 5000),
         "release b", "delete from made where id % 2 = 0", "create table picked as select * from made where id < 50",
         "insert into picked (id) values (0)", "alter table old rename column v to old_v")
    finish(session, "insert into old (id, old_v) values (5001, 'behind'); alter table made drop column v;"
                    "update made set w = 'end' where id < 20; create table last (id int primary key);"
                    "insert into last values (1); commit")
    settled(agent)
    world.assert_equal(with_sequences=False)
    session = world.hold(world.source, "begin")
    more(session, "drop table made", "alter table old add column gone int default 1",
         "insert into old (id, gone) select g, g from generate_series(100000, 103000) g")
    streamed(world)
    finish(session, "rollback")
    world.source.psql("insert into old (id) values (7000)", world.db)
    settled(agent)
    agent.cutover()
    world.assert_equal()


def test_ddl_that_is_rolled_back_while_it_is_decoded(own_world):
    """The server then decodes with a catalog that is none, and may say so; decoding anew knows better."""
    world = own_world(source={"options": SMALL_MEMORY})
    agent = began(world, {"source": {"two_phase": "off"}})
    for n in range(6):
        first = 10000 * (n + 1)
        world.source.psql(f"""
            begin; {rows("old", first, first + 2000)};
            savepoint a; create table void (id int primary key, v text); alter table old add column void int default 1;
            {rows("void", 1, 2000)}; {rows("old", first + 3000, first + 4000)};
            alter table void add column w int; {rows("void", 2001, 3000)};
            rollback to a; create table kept_{n} (id int primary key, v text); {rows(f"kept_{n}", 1, 1000)};
            alter table old add column n_{n} int; {rows("old", first + 5000, first + 6000)}; commit""", world.db)
    settled(agent)
    world.assert_equal()


@pytest.fixture
def preparing(own_world):
    world = own_world(source={"options": SMALL_MEMORY})
    agent = began_whole(world)
    yield world, agent
    for server in (world.source, world.target):
        for gid in server.one(NAMES, world.db).split():
            server.psql(f"rollback prepared '{gid}'", world.db, check=False)


def prepared(world, names):
    until(lambda: world.target.one(NAMES, world.db) == names, 30, f"'{names}' on the target")


def prepare(world, gid, *parts):
    world.source.psql("; ".join(["begin", *parts, f"prepare transaction '{gid}'"]), world.db)


@pytest.mark.parametrize("last", [pytest.param(100, id="small"), pytest.param(3000, id="streamed", marks=pytest.mark.long)])
def test_ddl_in_prepared_transactions(preparing, last):
    """The one that is rolled back alters a table that is written again afterwards."""
    world, agent = preparing
    world.source.psql("create table other (id int primary key, v text)", world.db)
    prepare(world, "kept", "create table made (id int primary key, v text)", rows("made", 1, last),
            "alter table old add column n int default 7", rows("old", 1000, 1000 + last), "update old set n = id where id % 2 = 0",
            "savepoint a", "create table void (id int primary key)", "insert into void values (1)", "rollback to a",
            "create index on made (v)")
    prepare(world, "undone", "alter table other add column n int default 1", rows("other", 1, last))
    prepared(world, "kept undone")
    world.source.psql("rollback prepared 'undone'", world.db)
    world.source.psql("insert into other values (1, 'after')", world.db)
    world.source.psql("commit prepared 'kept'", world.db)
    world.source.psql("insert into made values (0, 'after'); insert into old values (2, 'after', 3)", world.db)
    prepare(world, "undone", "create table undone (id int primary key)", "insert into undone values (1)", "drop table other")
    prepared(world, "undone")
    world.source.psql("rollback prepared 'undone'", world.db)
    world.source.psql("insert into other values (2, 'after'); create table undone (id int primary key, other text)", world.db)
    settled(agent)
    prepared(world, "")
    agent.cutover()
    world.assert_equal()


def test_a_copy_asked_for_in_a_prepared_transaction(preparing):
    """It waits for the end of the transaction."""
    world, agent = preparing
    prepare(world, "kept", "create table picked as select g as id, 'x'::text as v from generate_series(1, 50) g",
            "insert into picked values (100, 'y')", "alter table old add column r float default random()",
            "insert into old (id) values (3)")
    prepared(world, "kept")
    world.source.psql("commit prepared 'kept'", world.db)
    world.source.psql("insert into picked values (101, 'z'); insert into old (id) values (4)", world.db)
    settled(agent)
    agent.cutover()
    world.assert_equal()
