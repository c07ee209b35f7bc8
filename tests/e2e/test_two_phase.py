# SPDX-License-Identifier: Apache-2.0
"""Prepared transactions: prepared on the target under their own names, and finished there or here."""
import pytest

from lib import compare
from lib.proc import until

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
