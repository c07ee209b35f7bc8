# SPDX-License-Identifier: Apache-2.0
"""Ends of processes and connections at bad moments lose nothing and repeat nothing.

TIDEGATE_KILLS says how often the agent is killed, TIDEGATE_SEED repeats a run's moments.
"""
import os
import random
import time

import pytest

from lib.proc import until

KILLS = int(os.environ.get("TIDEGATE_KILLS", "10"))
SEED = int(os.environ.get("TIDEGATE_SEED", random.randrange(1 << 30)))


def finish(world, agent, writers):
    """Brings a migration that went through a lot to its end and compares."""
    if not agent.running():
        agent.start()
    agent.streaming(timeout=90)
    agent.caught_up(timeout=60)
    assert writers.running(), writers.wait()
    agent.cutover(timeout=60)
    world.assert_equal()


@pytest.mark.crash
def test_kill_at_random_moments(world):
    """Half of the kills fall into schema and copy, half into catching up and streaming."""
    print(f"TIDEGATE_SEED={SEED} TIDEGATE_KILLS={KILLS}")
    moments = random.Random(SEED)
    world.pgbench(scale=2)
    # Small tables with indexes and keys, copied one after the other: a copy that takes a while.
    world.source.sql(
        "do $$ begin for i in 1..40 loop execute format('create table t%1$s as select g as id, "
        "md5(g::text) as v, %1$s as n from generate_series(1, 20000) g; alter table t%1$s add primary key (id); "
        "create index on t%1$s (v)', i); end loop; "
        "for i in 2..40 loop execute format('alter table t%s add foreign key (id) references t%s', i, i - 1); "
        "end loop; end $$", world.db)
    writers = world.write(clients=4, rate=300)
    agent = world.agent({"copy": {"jobs": 1, "index_jobs": 1, "split_above": "8MiB"}})
    phases = []
    for n in range(KILLS):
        agent.start()
        if n >= KILLS // 2:
            agent.wait("--phase", "catchup", timeout=60)
        time.sleep(moments.uniform(0.02, 1.5))
        phases.append((agent.status() or {}).get("phase"))
        assert agent.running(), agent.err()[-3000:]
        agent.kill()
        world.source.sql(f"update t{1 + n % 40} set v = 'x' where id % 100 = {n}", world.db)
    print("phases at the kills:", phases)
    finish(world, agent, writers)
    agent.assert_memory()


@pytest.mark.crash
def test_kill_during_copy_keeps_finished_tables(world):
    world.source.sql(
        "create table a_small as select generate_series(1, 1000) as id;"
        "create table b_large as select g as id, repeat(md5(g::text), 8) as v "
        "from generate_series(1, 400000) g;", world.db)
    agent = world.agent({"copy": {"jobs": 1}}).start()

    def copied_one():
        copy = (agent.status() or {}).get("copy") or {}
        assert agent.running(), agent.err()[-3000:]
        return copy.get("tables_done", 0) >= 1

    until(copied_one, 30, "first table copied", pause=0.01)
    agent.kill()
    before = agent.status()
    assert before is None
    done = set(ready_tables(agent))
    assert done
    marker = {t: world.target.one(f"select min(xmin::text) from {t}", world.db) for t in done}
    agent.start()
    agent.streaming()
    assert {t: world.target.one(f"select min(xmin::text) from {t}", world.db) for t in done} == marker
    assert agent.stop() == 0
    world.assert_equal(with_sequences=False)


def ready_tables(agent):
    """Names of the tables that the agent's own memory calls copied."""
    import sqlite3
    db = sqlite3.connect(f"file:{agent.dir}/state.db", uri=True)
    try:
        return [r[0] for r in db.execute(
            "select t.name from source_table t join sink_copy k on k.oid = t.oid "
            "where k.state in ('copied', 'ready')")]
    finally:
        db.close()


def test_target_restarts(own_world):
    world = own_world()
    world.pgbench()
    writers = world.write(clients=2, rate=200)
    agent = world.agent().start()
    agent.streaming()
    for mode in ("immediate", "fast"):
        world.target.stop(mode)
        time.sleep(1)
        assert agent.running(), agent.err()[-3000:]
        world.target.start()
        time.sleep(0.5)
    finish(world, agent, writers)


def test_source_restarts_at_once(own_world):
    world = own_world()
    world.pgbench()
    agent = world.agent().start()
    agent.streaming()
    writers = world.write(clients=2, rate=200)
    time.sleep(1)
    world.source.restart("immediate")
    writers.wait()
    assert agent.running(), agent.err()[-3000:]
    writers = world.write(clients=2, rate=200)
    time.sleep(1)
    finish(world, agent, writers)


def test_both_servers_restart_during_the_copy(own_world):
    world = own_world()
    world.source.sql("create table large as select g as id, repeat(md5(g::text), 8) as v "
                     "from generate_series(1, 300000) g; alter table large add primary key (id)", world.db)
    world.pgbench()
    agent = world.agent().start()
    agent.wait("--phase", "snapshot", timeout=20)
    time.sleep(0.3)
    world.source.restart("immediate")
    world.target.restart("immediate")
    writers = world.write(clients=2, rate=100)
    finish(world, agent, writers)


def test_network_cuts(world):
    world.pgbench()
    to_source, to_target = world.proxy(world.source), world.proxy(world.target)
    writers = world.write(clients=2, rate=200)
    agent = world.agent(
        source_dsn=world.source.uri(world.db, port=to_source.port),
        target_dsn=world.target.uri(world.db, port=to_target.port)).start()
    agent.streaming()
    for proxy in (to_source, to_target, to_source, to_target):
        proxy.cut()
        time.sleep(0.4)
    for proxy in (to_source, to_target):
        proxy.refuse()
        proxy.cut()
        time.sleep(1.5)
        assert agent.running(), agent.err()[-3000:]
        proxy.refuse(False)
    agent.caught_up(timeout=30)
    finish(world, agent, writers)


def test_network_blackhole(world):
    """Connections that stay open and pass nothing: the source's is given up after the network time-out,
    the target's is waited for, because a statement may take as long as it takes."""
    world.pgbench()
    to_source, to_target = world.proxy(world.source), world.proxy(world.target)
    writers = world.write(clients=2, rate=100)
    agent = world.agent(
        {"network": {"timeout": "3s"}},
        source_dsn=world.source.uri(world.db, port=to_source.port),
        target_dsn=world.target.uri(world.db, port=to_target.port)).start()
    agent.streaming()
    seen = to_source.accepted
    to_source.freeze()
    time.sleep(5)
    to_source.thaw()
    until(lambda: to_source.accepted > seen, 20, "a new connection")
    agent.caught_up(timeout=30)
    to_target.freeze()
    time.sleep(5)
    to_target.thaw()
    agent.caught_up(timeout=30)
    finish(world, agent, writers)
