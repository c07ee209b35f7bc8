# SPDX-License-Identifier: Apache-2.0
"""Prepared transactions: prepared on the target under their own names, and finished there or here."""
import pytest

from lib import compare
from lib.agent import assert_clear_error
from lib.proc import until
from test_sinks import Sinks, state, wait_state

NAMES = "select coalesce(string_agg(gid, ' ' order by gid), '') from pg_prepared_xacts where database = current_database()"


@pytest.fixture(autouse=True)
def none_left(world):
    """One that stays open would hold back the slots of all other tests."""
    yield
    for server in (world.source, world.target):
        for gid in server.one(NAMES, world.db).split():
            server.psql(f"rollback prepared '{gid}'", world.db, check=False)


def streaming(world, agent):
    """With prepared transactions: what is prepared before that comes with its commit."""
    agent.streaming()
    slot = f"select two_phase from pg_replication_slots where slot_name = 'tidegate_{agent.name}'"
    until(lambda: world.source.one(slot, world.db) == "t", 20, "a slot with two-phase commit")


def make(world):
    world.source.sql("create table t (id int primary key, v text)", world.db)
    world.source.sql("insert into t select g, 'x' from generate_series(1, 100) g", world.db)


def prepare(server, db, gid, statement):
    server.sql(f"begin; {statement}; prepare transaction '{gid}'", db)


def prepared(world, names):
    until(lambda: world.target.one(NAMES, world.db) == names, 20, f"'{names}' on the target")


def test_a_transaction_manager_goes_on_at_the_target(world):
    make(world)
    agent = world.agent().start()
    streaming(world, agent)
    prepare(world.source, world.db, "g1", "insert into t values (1001, 'kept')")
    prepare(world.source, world.db, "g2", "update t set v = 'undone' where id = 1")
    prepare(world.source, world.db, "g3", "insert into t values (1003, 'at the target')")
    world.source.sql("insert into t values (1002, 'between')", world.db)
    prepared(world, "g1 g2 g3")
    world.source.sql("commit prepared 'g1'", world.db)
    world.source.sql("rollback prepared 'g2'", world.db)
    prepared(world, "g3")
    agent.caught_up()
    compare.assert_equal(world.source, world.db, world.target, world.db)
    agent.cutover()
    assert world.target.one(NAMES, world.db) == "g3"
    world.target.sql("commit prepared 'g3'", world.db)
    assert world.target.one("select v from t where id = 1003", world.db) == "at the target"
    world.source.sql("rollback prepared 'g3'", world.db)


def test_a_killed_agent_neither_loses_nor_repeats_one(world):
    make(world)
    agent = world.agent().start()
    streaming(world, agent)
    prepare(world.source, world.db, "k1", "insert into t values (2001, 'a')")
    prepared(world, "k1")
    agent.kill()
    prepare(world.source, world.db, "k2", "insert into t values (2002, 'b')")
    world.source.sql("commit prepared 'k1'", world.db)
    agent.start()
    prepared(world, "k2")
    agent.kill()
    world.source.sql("commit prepared 'k2'", world.db)
    agent.start()
    prepared(world, "")
    agent.streaming()
    agent.cutover()
    world.assert_equal()


def test_without_two_phase_an_open_one_stops_the_cutover_until_it_is_finished(world):
    make(world)
    agent = world.agent({"source": {"two_phase": "off"}}).start()
    agent.streaming()
    prepare(world.source, world.db, "open", "insert into t values (3001, 'a')")
    agent.caught_up()
    assert world.target.one(NAMES, world.db) == ""
    refused = agent.cutover(expect=3)
    assert "prepared transaction 'open' is open on the source" in refused.stdout + refused.stderr
    world.source.sql("commit prepared 'open'", world.db)
    agent.streaming()
    agent.cutover()
    world.assert_equal()


# --- a second sink that is copied to later ---


@pytest.fixture
def joined(world, make_server):
    """An agent that has begun with one sink and two-phase commit, and the places of two: on two servers, as a name is
    a whole server's."""
    make(world)
    s = Sinks(world)
    s.add("two", make_server("second"))
    agent = s.agent(s.entry("one")).start()
    streaming(world, agent)
    yield s, agent
    server, db = s.places["two"]
    for gid in server.one(NAMES, db).split():
        server.psql(f"rollback prepared '{gid}'", db, check=False)
    agent.kill()
    for gid in world.source.one(NAMES, world.db).split():
        world.source.psql(f"rollback prepared '{gid}'", world.db, check=False)
    s.close()


def join(s, agent):
    assert agent.stop() == 0
    s.reconfigure(agent, s.entry("one"), s.entry("two"))
    begin(agent)


def begin(agent):
    agent.start()
    until(lambda: (agent.status() or {}).get("sinks"), 30, "a status")


def names_at(s, name):
    server, db = s.places[name]
    return server.one(NAMES, db)


def test_a_sink_that_joins_waits_for_what_is_prepared_and_has_all_of_it(joined):
    s, agent = joined
    w = s.world
    prepare(w.source, w.db, "j1", "insert into t values (4001, 'a')")
    prepared(w, "j1")
    join(s, agent)
    until(lambda: "'j1'" in (state(agent, "two")["error"] or ""), 30, "a copy that waits for 'j1'")
    # One that begins and ends while the copy waits, and one that is rolled back.
    prepare(w.source, w.db, "j2", "update t set v = 'j2' where id = 2")
    prepare(w.source, w.db, "j3", "delete from t where id = 3")
    w.source.sql("commit prepared 'j2'", w.db)
    w.source.sql("rollback prepared 'j3'", w.db)
    w.source.sql("commit prepared 'j1'", w.db)
    wait_state(agent, "two", "running")
    prepare(w.source, w.db, "j4", "insert into t values (4004, 'd')")
    until(lambda: names_at(s, "two") == "j4", 20, "'j4' at the sink that has joined")
    w.source.sql("commit prepared 'j4'", w.db)
    agent.caught_up()
    s.assert_equal("one", "two")
    assert not state(agent, "two")["error"]
    assert "j1" in agent.err()


def join_between(s, agent, gid):
    """Prepares the transaction in front of the moment of the sink's copy. For that the new slot's snapshot is held
    up twice: it is complete when all have ended that were open when it had waited for those open at first."""
    w = s.world
    waits = "select count(*) from pg_locks where locktype = 'transactionid' and not granted"
    write = "begin; insert into t values ({}, 'open'); select pg_current_xact_id()"
    first = w.source.hold(write.format(5001), w.db)
    join(s, agent)
    until(lambda: w.source.one(waits, w.db) == "1", 30, "a snapshot that waits for the first one")
    second = w.source.hold(write.format(5002), w.db)
    xid = w.source.one("select backend_xid from pg_stat_activity where state = 'idle in transaction' "
                       "and backend_xid is not null order by xact_start desc limit 1", w.db)
    first.stdin.write("commit;\n")
    first.stdin.close()
    until(lambda: w.source.one(f"{waits} and transactionid = '{xid}'", w.db) == "1", 60, "... for the second one")
    prepare(w.source, w.db, gid, "update t set v = 'between' where id = 5")
    second.stdin.write("commit;\n")
    second.stdin.close()


def test_one_that_was_prepared_before_the_copy_and_committed_behind_it_stops_the_sink(joined):
    s, agent = joined
    w = s.world
    join_between(s, agent, "m1")
    wait_state(agent, "two", "running", 60)
    until(lambda: names_at(s, "two") == "m1", 20, "'m1' at the new sink")
    # Its rows are not at the new sink: it must not be finished there.
    refused = agent.cutover(expect=3)
    assert "'m1' is open on the source" in refused.stdout + refused.stderr
    assert agent.stop() == 0
    begin(agent)
    wait_state(agent, "two", "running")
    w.source.sql("commit prepared 'm1'", w.db)
    wait_state(agent, "two", "failed")
    assert_clear_error(agent.err(), "'m1'", "two", "missing on the target", "copy to this sink again")
    until(lambda: w.target.one("select v from t where id = 5", w.db) == "between", 20, "'m1' at the first sink")


def test_one_that_was_prepared_before_the_copy_and_is_rolled_back_stops_nothing(joined):
    s, agent = joined
    w = s.world
    join_between(s, agent, "m2")
    wait_state(agent, "two", "running", 60)
    w.source.sql("rollback prepared 'm2'", w.db)
    w.source.sql("insert into t values (4010, 'after')", w.db)
    agent.caught_up()
    s.assert_equal("one", "two")
    agent.cutover()


def test_two_databases_of_one_server_cannot_have_the_same_names(world):
    """... so that by itself nothing is prepared there, and what was asked for is refused."""
    make(world)
    s = Sinks(world)
    s.add("two")
    asked = s.agent(s.entry("one"), s.entry("two"), source={"two_phase": "on"}).start()
    assert asked.wait_exit() == 1
    assert_clear_error(asked.err(), "'two'", "on the same server")
    agent = s.agent(s.entry("one"), s.entry("two")).start()
    agent.streaming()
    prepare(world.source, world.db, "s1", "insert into t values (6001, 'a')")
    world.source.sql("commit prepared 's1'", world.db)
    agent.caught_up()
    s.assert_equal("one", "two")
    slot = f"select two_phase from pg_replication_slots where slot_name = 'tidegate_{agent.name}'"
    assert world.source.one(slot, world.db) == "f"
    assert agent.stop() == 0
    s.close()
