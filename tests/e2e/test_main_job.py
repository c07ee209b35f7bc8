# SPDX-License-Identifier: Apache-2.0
"""The main job: a live database arrives complete, with its writers never pausing before the fence."""
import os
import time

import pytest

from lib import compare, paths
from lib.agent import command, downtime_ms
from lib.proc import until

SAKILA_CHURN = os.path.join(paths.SQL, "sakila_churn.sql")
TYPES_CHURN = os.path.join(paths.SQL, "types_churn.sql")


def test_pgbench_with_writers_until_the_fence(world):
    world.pgbench(scale=2)
    writers = world.write(clients=4)
    agent = world.agent().start()
    agent.streaming()
    time.sleep(1)
    assert writers.running(), writers.wait()
    done = agent.cutover()
    writers.wait(20)  # the fence ended them
    assert downtime_ms(done) < 10_000
    world.assert_equal()
    agent.assert_memory()
    # A session that comes now may not write on the source, and may on the target.
    refused = world.source.psql("insert into pgbench_branches values (999, 0, '')", world.db, check=False)
    assert "read-only" in refused.stderr
    world.target.sql("insert into pgbench_history (tid) values (1)", world.db)


def test_sakila_under_insert_update_delete_truncate(world):
    world.script("data", "sakila", "schema.sql")
    world.script("data", "sakila", "data.sql")
    churn = world.repeat(SAKILA_CHURN)
    agent = world.agent().start()
    agent.streaming()
    seen = churn.rounds
    until(lambda: churn.rounds >= seen + 7 or churn.error, 30, "rounds of writing")
    assert churn.error is None
    agent.cutover()
    churn.stop()
    world.assert_equal()


def test_everyday_types_and_corners(world):
    world.script("e2e", "sql", "types.sql")
    identities = compare.identities(world.source, world.db)
    churn = world.repeat(TYPES_CHURN)
    until(lambda: churn.rounds >= 2 or churn.error, 30, "first rounds")
    agent = world.agent().start()
    agent.streaming()
    seen = churn.rounds
    until(lambda: churn.rounds >= seen + 10 or churn.error, 40, "rounds of writing")
    assert churn.error is None
    agent.cutover()
    churn.stop()
    world.assert_equal()
    assert compare.identities(world.target, world.db) == identities
    fresh = world.target.sql("select count(*), sum(total) from orders", world.db)
    assert world.target.sql("select n, s from order_summary", world.db) == fresh


def test_truncate_between_snapshot_and_copy(world):
    """TRUNCATE is not MVCC-safe: a copy under the older snapshot sees an empty table, so that the rows
    which changes before the TRUNCATE speak of are not there."""
    world.source.sql(
        "create table a_large as select g as id, repeat(md5(g::text), 10) as v from generate_series(1, 300000) g;"
        "create table late (id integer primary key, v text);"
        "insert into late select g, 'old' from generate_series(1, 100) g", world.db)
    agent = world.agent({"copy": {"jobs": 1}}).start()

    def copying():
        assert agent.running(), agent.err()[-3000:]
        return (agent.status() or {}).get("copy", {}).get("bytes", 0) > 0

    until(copying, 20, "the copy", pause=0.01)
    world.source.sql("update late set v = 'new' where id < 50; delete from late where id = 60", world.db)
    world.source.sql("truncate late; insert into late values (1, 'after')", world.db)
    agent.streaming()
    world.source.sql("update late set v = 'again'", world.db)
    agent.cutover()
    world.assert_equal()


def test_two_connection_strings_are_enough(world):
    world.pgbench()
    work = os.path.join(world.home, "plain")
    os.makedirs(work)
    done = command("run", "--source", world.source.uri(world.db), "--target",
                   world.target.uri(world.db), "--until", "streaming", cwd=work, timeout=60)
    assert done.returncode == 0, done.stderr
    assert os.listdir(os.path.join(work, "tidegate-data"))
    world.assert_equal(with_sequences=False)


@pytest.mark.parametrize("source_major,target_major", [(15, 18)])
def test_other_major_versions(make_server, on_servers, source_major, target_major):
    try:
        source = make_server("source", major=source_major)
        target = make_server("target", major=target_major)
    except FileNotFoundError as e:
        pytest.skip(str(e))
    world = on_servers(source, target, "versions", create=True)
    world.pgbench()
    writers = world.write(clients=2)
    agent = world.agent().start()
    agent.streaming()
    time.sleep(1)
    assert writers.running()
    agent.cutover()
    # pg_dump refuses servers newer than itself, so the schema is compared by what it holds.
    world.assert_equal(with_schema=False)
    keys = ("select conrelid::regclass, conname, contype from pg_constraint "
            "where connamespace = 'public'::regnamespace and contype = 'p' order by conname")
    assert source.sql(keys, world.db) == target.sql(keys, world.db)


@pytest.mark.parametrize("analyze", [True, False])
def test_statistics_are_gathered_unless_they_are_not_wanted(world, analyze):
    world.source.psql("create table t (id int primary key); insert into t select generate_series(1, 1000)", world.db)
    assert world.agent({"copy": {"analyze": analyze}}).run("--until", "copied") == 0
    assert world.analyzed("t") == (1 if analyze else 0)
    assert world.target.one("select count(*) from t", world.db) == "1000"


@pytest.mark.long
def test_large_tables_are_copied_in_parts(world):
    world.pgbench(scale=20)
    writers = world.write(clients=8)
    agent = world.agent({"copy": {"jobs": 4, "split_above": "16MiB"}}).start()
    agent.streaming(timeout=180)
    assert writers.running()
    agent.cutover(timeout=120)
    world.assert_equal()
    agent.assert_memory()


def test_nothing_is_written_twice_when_the_source_is_quiet(world):
    """An idle source: catching up and cutting over must not wait for a write that never comes."""
    world.pgbench()
    agent = world.agent().start()
    agent.streaming(timeout=30)
    agent.caught_up(timeout=10)
    before = compare.contents(world.target, world.db)
    agent.cutover(timeout=15)
    assert compare.contents(world.target, world.db) == before
    world.assert_equal()
