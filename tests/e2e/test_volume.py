# SPDX-License-Identifier: Apache-2.0
"""Memory stays bounded whatever the size of a transaction, a row or a backlog."""
import pytest

from lib.agent import downtime_ms


@pytest.mark.long
def test_transaction_of_a_million_rows(world):
    world.source.sql("create table big (id integer primary key, v text)", world.db)
    agent = world.agent().start()
    agent.streaming()
    world.source.sql("begin; insert into big select g, md5(g::text) from generate_series(1, 1000000) g;"
                     "update big set v = v || 'x' where id % 4 = 0; commit", world.db)
    agent.caught_up(timeout=180)
    agent.assert_memory()
    agent.cutover(timeout=60)
    world.assert_equal()


def test_transaction_larger_than_decoding_memory(world):
    """The source spills it; a smaller one commits meanwhile, and a third large one is rolled back."""
    world.source.sql("create table big (id integer primary key, v text); create table small (id serial primary key)",
                     world.db)
    agent = world.agent().start()
    agent.streaming()
    open_one = world.hold(world.source, "begin; insert into big select g, repeat(md5(g::text), 10) "
                                        "from generate_series(1, 100000) g")
    undone = world.hold(world.source, "begin; insert into big select g, repeat('u', 300) "
                                      "from generate_series(200001, 250000) g")
    world.source.sql("insert into small select from generate_series(1, 10)", world.db)
    agent.caught_up(timeout=30)
    assert world.target.one("select count(*) from small", world.db) == "10"
    assert world.target.one("select count(*) from big", world.db) == "0"
    for session, end in ((undone, "rollback"), (open_one, "commit")):
        session.stdin.write(end + ";\n")
        session.stdin.close()
        session.wait(30)
    agent.caught_up(timeout=60)
    agent.assert_memory()
    agent.cutover()
    world.assert_equal()


def test_large_values(world):
    world.source.sql(
        "create table doc (id integer primary key, n integer default 0, body text, raw bytea);"
        "insert into doc (id, body) select g, repeat(md5(g::text), 300000) from generate_series(1, 3) g",
        world.db)
    agent = world.agent().start()
    agent.streaming()
    world.source.sql(
        "update doc set n = 1; update doc set body = repeat('ä', 5000000) where id = 2;"
        "insert into doc (id, raw) select 4, decode(repeat('00ff', 8000000), 'hex')", world.db)
    agent.caught_up(timeout=60)
    agent.cutover()
    world.assert_equal()
    agent.assert_memory()


def test_many_tables(world):
    world.source.sql(
        "do $$ begin for i in 1..300 loop "
        "execute format('create table t%s (id serial primary key, v text default %L)', i, i); "
        "execute format('insert into t%s (v) select g from generate_series(1, 20) g', i); "
        "end loop; end $$", world.db)
    agent = world.agent().start()
    agent.streaming()
    world.source.sql("do $$ begin for i in 1..300 loop "
                     "execute format('update t%s set v = %L where id < 5', i, 'new'); end loop; end $$",
                     world.db)
    agent.cutover()
    world.assert_equal()


@pytest.mark.long
def test_scale_50_with_eight_writers_without_pause(world, capsys):
    """Writers run flat out from before the start until the fence; nothing slows them but the machine."""
    world.pgbench(scale=50)
    writers = world.write(clients=8, rate=None)
    agent = world.agent().start()
    agent.streaming(timeout=600)
    assert writers.running(), writers.wait()
    done = agent.cutover(timeout=120)
    writers.wait(20)
    with capsys.disabled():
        print(f"\nscale 50, 8 writers: write downtime {downtime_ms(done)} ms, "
              f"peak memory {agent.rss / 2**20:.0f} MiB")
    agent.assert_memory()
    world.assert_equal()
